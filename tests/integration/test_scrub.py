"""What has rotted on a disk where nobody reads is found by a scrub, and repaired from another replica."""

import os
import subprocess

from blockio import BLOCK, block, check_blocks, write_blocks
from cluster import BUILD, wait_for

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


def misapply(agent, volume, numbers):
    """
    Gives the stopped agent's replica of the volume another content in these blocks, with right checksums. lost:N, more:N:
    it no longer has the grain of this block, or has there what the first grain has.
    """
    subprocess.run([BUILD / "tests/lib/misapply", agent.pool, volume["cluster"], volume["pool"], volume["uuid"]]
                   + [str(number) for number in numbers], check=True, timeout=60)


def test_replicas_that_differ_are_found_and_written_anew(cluster, name):
    a, b, c = cluster["a"], cluster["b"], cluster["c"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    wait_for("applied", lambda: all(r["lag_bytes"] == 0 for r in a.volume(name)["replicas"]))
    # Three grains of b and four of c: other content, lost, and one that nobody has written.
    spoilt = {"b": [3, 5, 40, "lost:200"], "c": [100, 101, "lost:300", "lost:330", f"more:{COUNT + 32}"]}
    uuids = {"cluster": a.get("/v1/status")["cluster"], "uuid": a.volume(name)["uuid"]}
    for agent in (b, c):
        pool = [r["pool_uuid"] for r in a.volume(name)["replicas"] if r["node"] == agent.name][0]
        complete = len(a.events("replica-complete"))
        agent.stop()
        misapply(agent, {**uuids, "pool": pool}, spoilt[agent.name])
        agent.start()
        wait_for("complete", lambda: len(a.events("replica-complete")) > complete, 60)
    # No scrub of a pool can see it: the checksums are right. Asked of b's pool, where nothing is attached.
    done = b.cli("pool", "scrub", "p", "--now", "--follow")
    assert "nothing bad" in done.stdout and "none of its volumes is attached here" in done.stdout
    wait_for("compared", lambda: a.volume(name)["stats"]["compare"]["passes"] > 0
             and not a.volume(name)["stats"]["compare"]["under_way"], 60)
    compare = a.volume(name)["stats"]["compare"]
    grains = 3 + 4
    assert compare["differing"] == compare["rewritten"] == grains, compare
    assert compare["grains"] >= COUNT // 16 and compare["undecided"] == 0
    by_node = {r["node"]: r["differing_grains"] for r in a.volume(name)["replicas"]}
    assert by_node == {"a": 0, "b": 3, "c": 4}, by_node
    assert "written anew" in a.events("replica-differs")[-1]["text"]
    assert f"{grains} differ" in a.events("replicas-compared")[-1]["text"]
    assert f"{grains} differ ({grains} written anew)" in a.cli("volume", "inspect", name).stdout
    # Once more, asked for where it is attached: there is nothing any more.
    done = a.cli("pool", "scrub", "p", "--now", "--follow")
    assert "nothing differs" in done.stdout, done.stdout
    assert a.metric("quoin_volume_differing_grains_total", volume=name) == grains
    # It really is the same: without a, the two that differed have all.
    a.detach(name)
    a.stop()
    device = wait_for("attached", lambda: b.attach(name), 60)
    check_blocks(device, 0, COUNT, version=1)
    with open(device, "rb") as file:
        file.seek((COUNT + 32) * BLOCK)
        assert not any(file.read(16 * BLOCK))
    b.detach(name)
    a.start()
