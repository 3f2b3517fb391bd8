"""A stop in order while a mounted volume has no quorum: it comes to an end, and the agent can be started again."""

import os
import subprocess
import time

from blockio import block
from cluster import wait_for

from test_kvdb_away import away  # noqa: F401  (a fixture)


def test_a_stop_without_a_quorum_ends_and_the_agent_starts_again(away, name):  # noqa: F811
    a, b, c = away["a"], away["b"], away["c"]
    away["a"].plugin("Create", Name=name, Opts={"size": "64M"})
    path = away["a"].plugin("Mount", Name=name, ID="one")["Mountpoint"]
    with open(f"{path}/synced", "wb") as f:
        f.write(block(1, 1))
        f.flush()
        os.fsync(f.fileno())
    b.kill()
    c.kill()
    wait_for("no quorum is seen", lambda: a.volume(name)["state"] == "no-quorum")
    # It hangs in the filesystem, as an application would, until the device is gone.
    writer = subprocess.Popen(["sh", "-c", f"echo never synced > {path}/not-synced"], stderr=subprocess.DEVNULL)
    time.sleep(1)
    began = time.monotonic()
    a.stop()
    assert time.monotonic() - began < 28, "only the last deadline ended it"
    writer.wait(20)
    b.start()
    c.start()
    a.start()
    wait_for("it is mounted again", lambda: os.path.ismount(path), 60)
    with open(f"{path}/synced", "rb") as f:
        assert f.read() == block(1, 1)
    away["a"].plugin("Unmount", Name=name, ID="one")
