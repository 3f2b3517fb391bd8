"""A replica that was away for longer than the logs reach back gets what differs, and shows how far it is."""

import os
import time

import pytest

from blockio import BLOCK, block, check_blocks, write_blocks
from cluster import Cluster, wait_for

MIB = 1 << 20
CHANGED = 16 * MIB  # while it is away, each block several times: more than the ring of 64 MiB keeps
RATE = 4 * MIB


@pytest.fixture
def slow_resync():
    """Three agents whose resyncs take seconds."""
    cluster = Cluster()
    try:
        for name in "abc":
            agent = cluster.add(name)
            agent.config.write_text(agent.config.read_text().replace("[cluster]\n", f"[cluster]\nresync_rate = {RATE >> 20}M\n"))
        cluster.init().start()
        yield cluster
    finally:
        problems = cluster.close()
    assert not problems, problems


def replica(agent, name, node):
    return next(r for r in agent.volume(name)["replicas"] if r["node"] == node)


def away_for_long(cluster, name):
    cluster["a"].create(name, size="128M")
    device = cluster["a"].attach(name)
    wait_for("healthy", lambda: cluster["a"].volume(name)["state"] == "healthy")
    write_blocks(device, 0, 64 * MIB // BLOCK, version=1)
    time.sleep(1.5)  # what is shown is a second old
    wait_for("c has all", lambda: replica(cluster["a"], name, "c")["lag_bytes"] == 0)  # else more would differ
    cluster["c"].kill()
    for version in range(2, 9):
        write_blocks(device, 0, CHANGED // BLOCK, version=version)
    return device


def test_only_what_changed_is_copied_also_when_the_target_dies_halfway(slow_resync, name):
    cluster, a = slow_resync, slow_resync["a"]
    device = away_for_long(cluster, name)
    cluster["c"].start()

    def halfway():
        resync = replica(a, name, "c")["resync"]
        return resync and resync["done_bytes"] > CHANGED // 4 and resync

    resync = wait_for("a quarter copied", halfway)
    assert not resync["surveying"]
    assert CHANGED <= resync["total_bytes"] <= CHANGED * 1.2
    assert resync["why"] == "it was away for longer than the logs reach back"
    text = a.cli("volume", "inspect", name).stdout
    assert "resync of c: " in text and " to copy" in text, text
    cluster["c"].kill()
    write_blocks(device, 0, 1, version=9)
    cluster["c"].start()
    wait_for("healthy again", lambda: a.volume(name)["state"] == "healthy", 60)
    c = replica(a, name, "c")
    assert c["resync"] is None
    assert c["resyncs"] == 1
    # A window's worth may have been on its way when it died.
    assert CHANGED <= c["resync_copied_bytes"] <= CHANGED * 1.2
    assert any("KiB copied" in e["text"] for e in a.events("replica-complete"))
    # It must have all: it is one of the last two.
    cluster["b"].kill()
    check_blocks(device, 0, 1, version=9)
    check_blocks(device, 1, CHANGED // BLOCK - 1, version=8)
    check_blocks(device, CHANGED // BLOCK, 1024, version=1)
    a.detach(name)
    b_device = cluster["c"].attach(name)
    check_blocks(b_device, 1, CHANGED // BLOCK - 1, version=8)
    check_blocks(b_device, CHANGED // BLOCK, (64 * MIB - CHANGED) // BLOCK, version=1)
    cluster["c"].detach(name)


def test_a_bad_block_is_answered_by_another_replica_and_repaired(cluster, name):
    a = cluster["a"]
    a.create(name, size="64M")
    device = a.attach(name)
    wait_for("healthy", lambda: a.volume(name)["state"] == "healthy")
    write_blocks(device, 0, 1024, version=1)
    a.detach(name)
    time.sleep(1)
    a.stop()
    # Blocks of the data, in the grains: they lie behind the ring of 64 MiB.
    damaged = 0
    with open(a.pool, "r+b", buffering=0) as pool:
        at = os.lseek(pool.fileno(), 0, os.SEEK_DATA)
        end = os.fstat(pool.fileno()).st_size
        while at < end and damaged < 64:
            data = os.pread(pool.fileno(), MIB, at)
            for k in range(0, len(data), BLOCK):
                number = int.from_bytes(data[k:k + 8], "little")
                if number < 1024 and number % 16 == 3 and data[k:k + BLOCK] == block(number, 1) and at + k > 66 * MIB:
                    os.pwrite(pool.fileno(), b"rot" + os.urandom(BLOCK - 3), at + k)
                    damaged += 1
            try:
                at = os.lseek(pool.fileno(), at + MIB, os.SEEK_DATA)
            except OSError:
                break
    assert damaged > 0
    a.start()
    device = a.attach(name)
    check_blocks(device, 0, 1024, version=1)

    def repaired():
        check_blocks(device, 0, 1024, version=1)  # a few at a time: the next read finds the others
        return replica(a, name, "a")["healed_blocks"] >= damaged

    wait_for("repaired", repaired, seconds=90, pause=0.5)
    bad = replica(a, name, "a")["bad_reads"]
    assert bad > 0
    assert a.events("block-bad") and a.events("block-repaired")
    check_blocks(device, 0, 1024, version=1)
    assert replica(a, name, "a")["bad_reads"] == bad
    assert a.volume(name)["stats"]["remote_reads"] > 0
    a.detach(name)
