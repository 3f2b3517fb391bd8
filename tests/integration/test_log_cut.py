"""The end of a log that one replica alone has, and that its disk loses: it is cut off, told, and the volume goes on."""

import os
import threading

from blockio import BLOCK, aligned, block, check_blocks, open_direct, write_blocks
from cluster import wait_for
from test_scrub import spoil

GRAIN = 16  # blocks


def writes(device, first, outcome):
    """A whole grain, at once; what became of it goes to the list."""
    fd = open_direct(device)
    try:
        os.pwritev(fd, [aligned(b"".join(block(i, 2) for i in range(first, first + GRAIN)))], first * BLOCK)
        outcome.append("acknowledged")
    except OSError as e:
        outcome.append(e.errno)
    finally:
        os.close(fd)


def holds(path, number, version):
    """Whether the block stands somewhere behind the journal of this pool."""
    wanted = block(number, version)
    with open(path, "rb") as f:
        fd, at = f.fileno(), 65 << 20
        while True:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA) // BLOCK * BLOCK
            except OSError:
                return False
            data = os.pread(fd, 1 << 20, at)
            if wanted in data:
                return True
            at += len(data) or BLOCK


def test_a_lost_end_of_a_log_is_cut_off_and_told(cluster, name):
    a, b, c = cluster["a"], cluster["b"], cluster["c"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 64, version=1)
    wait_for("healthy", lambda: a.volume(name)["state"] == "healthy")

    # a alone gets it: the others stand still, and die before they have looked.
    b.pause()
    c.pause()
    outcome = []
    writer = threading.Thread(target=writes, args=(device, 64, outcome))
    writer.start()
    wait_for("it is on a's disk", lambda: holds(a.pool, 64, 2), 10)
    b.kill()
    c.kill()
    a.kill()
    # Its log is read whole, and names the grain; then the disk loses what is in it.
    a.start(ready=False)
    wait_for("a's pool is open", lambda: any(p["state"] == "ok" for p in a.get("/v1/pools")["pools"]
                                             if p["node"] == "a"), 30)
    assert not a.events("log-cut")
    assert spoil(a.pool, 2, GRAIN), "the scene is not what it says: nothing to lose"
    b.start()
    c.start()
    wait_for("it is told", lambda: a.events("log-cut"), 60)
    told = a.events("log-cut")[-1]
    assert told["subject"] == name and "the replica on a " in told["text"], told
    writer.join(20)
    assert outcome and outcome[0] != "acknowledged", outcome

    wait_for("healthy again", lambda: a.volume(name)["state"] == "healthy", 60)
    device = wait_for("its device", lambda: a.device_here(name), 30)
    check_blocks(device, 0, 64, version=1)
    write_blocks(device, 64, GRAIN, version=3)
    check_blocks(device, 64, GRAIN, version=3)
    assert len(a.events("log-cut")) == 1
