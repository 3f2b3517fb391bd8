"""What has rotted on a disk where nobody reads is found by a scrub, and repaired from another replica."""

import os

from blockio import BLOCK, block, check_blocks, write_blocks
from cluster import wait_for

COUNT = 1024  # blocks


def spoil(path, version, most):
    """Damages that many blocks of this version in a pool's file that nobody has open; their numbers."""
    spoilt = set()
    fd = os.open(path, os.O_RDWR)
    size, at = os.fstat(fd).st_size, 0
    while at < size and len(spoilt) < most:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA) // BLOCK * BLOCK
        except OSError:
            break
        data = os.pread(fd, 1 << 20, at)
        for off in range(0, len(data), BLOCK):
            one = data[off:off + BLOCK]
            number = int.from_bytes(one[:8], "little")
            if any(one[16:]) and number < COUNT and number not in spoilt and one == block(number, version) \
                    and len(spoilt) < most and at + off > 65 << 20:  # behind the journal
                os.pwrite(fd, os.urandom(16), at + off + 100)
                spoilt.add(number)
        at += len(data) or BLOCK
    os.close(fd)
    return spoilt


def test_a_scrub_finds_and_repairs_what_nobody_reads(cluster, name):
    a, b = cluster["a"], cluster["b"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    wait_for("applied", lambda: all(r["lag_bytes"] == 0 for r in a.volume(name)["replicas"]))
    a.cli("snapshot", "create", f"{name}@one")
    write_blocks(device, 0, COUNT, version=2)
    wait_for("healthy", lambda: a.volume(name)["state"] == "healthy")
    b.stop()
    newest, of_snapshot = spoil(b.pool, 2, 20), spoil(b.pool, 1, 20)
    assert newest and of_snapshot, "no data was found to damage"
    b.start()
    wait_for("healthy", lambda: a.volume(name)["state"] == "healthy", 60)
    done = b.cli("pool", "scrub", "p", "--now", "--follow")
    assert "known to be bad" in done.stdout
    # All that a pass has found is repaired within a minute or so, and the next one finds nothing.
    wait_for("all is repaired", lambda: b.get("/v1/pools")["pools"]
             and [p for p in b.get("/v1/pools")["pools"] if p["local"]][0]["scrub"]["known_bad"] == 0, 90, 0.2)
    found = sum(int(e["text"].split(" bad blocks")[0].split()[-1]) for e in b.events("scrub-bad"))
    assert found >= len(newest | of_snapshot), b.events("scrub-bad")
    assert name in b.events("scrub-bad")[-1]["text"]
    assert b.events("scrub-repaired") and b.events("pool-scrubbed") and a.events("block-repaired")
    b.cli("pool", "scrub", "p", "--now", "--follow")
    last = [p for p in b.get("/v1/pools")["pools"] if p["local"]][0]["scrub"]["last"]
    assert last["bad_blocks"] == 0 and last["checked_bytes"] > COUNT * BLOCK
    # It really is good: b alone with one other has all.
    check_blocks(device, 0, COUNT, version=2)
    # How far it came outlives the agent; who asks for another node's pool is told where to ask.
    b.stop()
    b.start()
    assert [p for p in b.get("/v1/pools")["pools"] if p["local"]][0]["scrub"]["last"] == last
    refused = a.cli("pool", "scrub", "b/p", "--now", check=False)
    assert refused.returncode == 4 and "--node b" in refused.stderr
    a.detach(name)
