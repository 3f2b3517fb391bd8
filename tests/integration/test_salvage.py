"""The last resort, drilled: every pool damaged in other blocks, and pools that are gone; what can't be proven is told."""

import json
import mmap
import os
import subprocess

from blockio import BLOCK, block, write_blocks
from cluster import QUOIND, wait_for

QUOIN_POOL = QUOIND.parent.parent / "tools" / "quoin-pool"
COUNT = 1024


def salvage(volume, out, *words):
    done = subprocess.run([str(QUOIN_POOL), "salvage", volume, str(out), *map(str, words), "--json"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def extents(fd, size):
    """Where the sparse file has something."""
    end = 0
    while end < size:
        try:
            first = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(fd, first, os.SEEK_HOLE)
        yield first, end


def rot(pool, wanted):
    """Spoils each place, in journal and grains, that holds one of these (number, version); which were found."""
    contents = {block(*w)[:64]: w for w in wanted}
    found = set()
    with open(pool, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        for first, end in extents(file.fileno(), len(memory)):
            for at in range(first, end, BLOCK):
                w = contents.get(memory[at:at + 64])
                if w:
                    memory[at + 100:at + 110] = b"scribbled!"
                    found.add(w)
    return found


def told(report, verdict):
    blocks = []
    for r in report["ranges"]:
        if r["verdict"] == verdict:
            first = r["offset_bytes"] // BLOCK
            blocks += range(first, first + r["length_bytes"] // BLOCK)
    return blocks


def check(out, version_of):
    with open(out, "rb") as file:
        for i in range(COUNT):
            version = version_of(i)
            wanted = block(i, version) if version else bytes(BLOCK)
            assert file.read(BLOCK) == wanted, f"block {i}: not version {version}"
        assert not any(file.read())


def test_what_is_intact_somewhere_is_put_together_and_the_rest_is_told(cluster, name, tmp_path):
    a, b, c = cluster["a"], cluster["b"], cluster["c"]
    a.create(name, size="32M")
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    wait_for("healthy", lambda: a.volume(name)["state"] == "healthy")
    c.kill()  # from here on it has the older state
    write_blocks(device, 0, 256, version=2)
    volume = a.volume(name)["uuid"]
    a.detach(name)
    a.stop()
    b.stop()

    def newest(i):
        return 2 if i < 256 else 1

    code, report = salvage(volume, tmp_path / "whole", a.pool, b.pool, c.pool)
    assert (code, report["ranges"]) == (0, []), report
    check(tmp_path / "whole", newest)

    each = {"a": range(10, 20), "b": range(20, 30), "c": range(300, 310)}
    everywhere, in_a_and_b = 50, 60
    for agent in (a, b, c):
        mine = {(i, newest(i)) for i in each[agent.name]}
        mine |= {(everywhere, newest(everywhere))} | {(in_a_and_b, 2)}
        if agent is c:
            mine = {(i, v) for i, v in mine if v == 1} | {(everywhere, 1)}
        # Of block 50 no older state shall be left either; whether a pool has one is its own affair.
        assert rot(agent.pool, mine | {(everywhere, 1)}) >= mine

    code, report = salvage(volume, tmp_path / "best", a.pool, b.pool, c.pool)
    assert code == 1 and report["replicas"] == 3
    # c's copy of block 60 is intact, and older than what was acknowledged: it isn't taken for the newest.
    assert told(report, "lost") == [everywhere, in_a_and_b] and report["lost_blocks"] == 2, report
    assert not told(report, "unknown")
    check(tmp_path / "best", lambda i: 0 if i in (everywhere, in_a_and_b) else newest(i))

    code, report = salvage(volume, tmp_path / "older", a.pool, b.pool, c.pool, "--older")
    assert code == 1 and told(report, "lost") == [everywhere] and told(report, "older") == [in_a_and_b], report
    check(tmp_path / "older", lambda i: 0 if i == everywhere else 1 if i == in_a_and_b else newest(i))

    # A quorum is gone for ever, and the one that is left is damaged.
    code, report = salvage(volume, tmp_path / "one", b.pool)
    assert code == 1 and told(report, "lost") == [*each["b"], everywhere, in_a_and_b], report
    check(tmp_path / "one", lambda i: 0 if i in told(report, "lost") else newest(i))

    # Nothing is written over, and nothing is found that isn't there.
    assert salvage(volume, tmp_path / "one", b.pool)[0] == 4
    assert salvage("11111111-2222-4333-8444-555555555555", tmp_path / "none", b.pool)[0] == 3
