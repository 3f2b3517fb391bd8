"""Agents die, one or two at a time: no acknowledged byte is lost, and nothing stale or damaged is ever read."""

import os
import random
import sqlite3
import threading
import time

import pytest

from blockio import BLOCK, block, aligned, check_blocks, fio, open_direct, write_blocks
from cluster import ApiError, wait_for

FIO_SECONDS = int(os.environ.get("QUOIN_FIO_SECONDS", "12"))


def attached(cluster, name, size="128M"):
    cluster["a"].create(name, size=size)
    device = cluster["a"].attach(name)
    wait_for("healthy", lambda: cluster["a"].volume(name)["state"] == "healthy")
    return device


def healthy(agent, name, seconds=60):
    wait_for("healthy again", lambda: agent.volume(name)["state"] == "healthy", seconds)


@pytest.mark.parametrize("victim", ["b", "c"])
def test_a_replica_killed_is_not_noticed_and_catches_up(cluster, name, victim):
    device = attached(cluster, name)
    write_blocks(device, 0, 256, version=1)
    cluster[victim].kill()
    write_blocks(device, 128, 256, version=2)
    check_blocks(device, 0, 128, version=1)
    check_blocks(device, 128, 256, version=2)
    cluster[victim].start()
    healthy(cluster["a"], name)
    # The one that was away must now have it all: it is one of the last two.
    other = "c" if victim == "b" else "b"
    cluster[other].kill()
    check_blocks(device, 0, 128, version=1)
    check_blocks(device, 128, 256, version=2)
    write_blocks(device, 0, 32, version=3)
    check_blocks(device, 0, 32, version=3)


def test_the_attached_agent_killed_loses_nothing_and_is_attached_again(cluster, name):
    device = attached(cluster, name)
    write_blocks(device, 0, 512, version=1)
    cluster["a"].kill()
    with pytest.raises(OSError):
        check_blocks(device, 0, 1, version=1)
    cluster["a"].start()
    device = wait_for("attached again", lambda: cluster["a"].device_here(name), 60)
    check_blocks(device, 0, 512, version=1)
    write_blocks(device, 0, 16, version=2)
    check_blocks(device, 0, 16, version=2)
    assert cluster["a"].events("leftover-cleaned")


def test_two_of_three_down_writes_wait_and_resume(cluster, name):
    device = attached(cluster, name)
    write_blocks(device, 0, 64, version=1)
    cluster["b"].kill()
    cluster["c"].kill()
    done = threading.Event()

    def write():
        write_blocks(device, 0, 1, version=2)
        done.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert not done.wait(4), "a write was acknowledged without a quorum"
    wait_for("no quorum is seen", lambda: cluster["a"].volume(name)["state"] == "no-quorum")
    cluster["b"].start()
    assert done.wait(30), "the write didn't resume"
    check_blocks(device, 0, 1, version=2)
    check_blocks(device, 1, 63, version=1)
    cluster["c"].start()
    healthy(cluster["a"], name)


def test_damage_of_a_stopped_replica_is_never_returned(cluster, name):
    device = attached(cluster, name, size="64M")
    count = 4096
    write_blocks(device, 0, count, version=1)
    time.sleep(1)
    cluster["a"].detach(name)
    victim = cluster["b"]
    victim.stop()
    # 1 MiB of what the pool's file has allocated, at its end: grains.
    size = os.stat(victim.pool).st_size
    fd = os.open(victim.pool, os.O_RDWR)
    at, damaged = size - (1 << 20), 0
    while at > size // 2 and damaged < (1 << 20):
        data = os.pread(fd, 65536, at)
        if any(data):
            os.pwrite(fd, os.urandom(65536), at)
            damaged += 65536
        at -= 65536
    at = 0
    while damaged < (1 << 20) and at < size // 2:
        data = os.pread(fd, BLOCK, at)
        if data[16:] and data == block(int.from_bytes(data[:8], "little"), 1):
            os.pwrite(fd, os.urandom(BLOCK), at)
            damaged += BLOCK
        at += BLOCK
    os.close(fd)
    assert damaged > 0, "no data was found to damage"
    victim.start()
    device = victim.attach(name)  # reads are local here first
    check_blocks(device, 0, count, version=1)
    victim.detach(name)


def test_holder_killed_is_succeeded_by_another_within_the_bound(cluster, name):
    device = attached(cluster, name)
    write_blocks(device, 0, 256, version=1)
    cluster["a"].kill()
    began = time.monotonic()
    while True:
        try:
            device = cluster["b"].attach(name)
            break
        except ApiError as e:
            assert e.status == 409, e  # its node lease still runs
            assert time.monotonic() - began < 15
            time.sleep(0.2)
    assert time.monotonic() - began < 15
    check_blocks(device, 0, 256, version=1)
    write_blocks(device, 0, 16, version=2)
    cluster["a"].start()
    check_blocks(device, 0, 16, version=2)
    assert not cluster["a"].device_here(name)


def test_fio_verifies_while_replicas_are_killed_in_turn(cluster, name):
    device = attached(cluster, name, size="256M")
    stop = threading.Event()
    problems = []

    def disturb():
        try:
            turn = 0
            while not stop.wait(1.0):
                victim = cluster["bc"[turn % 2]]
                victim.kill()
                time.sleep(0.5 + random.random())
                victim.start()
                healthy(cluster["a"], name, 60)
                turn += 1
        except AssertionError as e:
            problems.append(e)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        fio(f"--filename={device}", "--rw=randrw", "--bs=4k-128k", "--direct=1", "--ioengine=libaio", "--iodepth=8",
            "--size=200M", "--verify=crc32c", "--time_based", f"--runtime={FIO_SECONDS}", "--verify_backlog=256",
            timeout=FIO_SECONDS + 120)
    finally:
        stop.set()
        disturber.join(120)
    assert not problems, problems
    wait_for("healthy", lambda: cluster["a"].volume(name)["state"] == "healthy", 60)


def test_kvdb_away_attached_volumes_go_on(cluster, name):
    device = attached(cluster, name)
    write_blocks(device, 0, 64, version=1)
    blocker = sqlite3.connect(cluster.dir / "kvdb.sqlite", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")  # nobody writes: no lease is renewed, nothing can be changed
    try:
        time.sleep(7)  # every node's lease is over
        write_blocks(device, 0, 64, version=2)
        check_blocks(device, 0, 64, version=2)
        cluster["b"].kill()
        write_blocks(device, 32, 64, version=3)
        cluster["b"].start(ready=False)  # serves its replica all the same
        wait_for("b's replica", lambda: cluster["a"].volume(name)["state"] == "healthy", 60)
        cluster["c"].kill()
        check_blocks(device, 0, 32, version=2)
        check_blocks(device, 32, 64, version=3)
        write_blocks(device, 0, 8, version=4)
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    cluster["b"].wait_ready(60)
    cluster["c"].start()
    check_blocks(device, 0, 8, version=4)
    assert cluster["a"].device_here(name)


def test_stop_in_order_leaves_nothing_behind(cluster, name):
    device = attached(cluster, name)
    write_blocks(device, 0, 64, version=1)
    cluster["a"].stop()
    assert not os.path.exists(device)
    assert not cluster.sweep()
    cluster["a"].start()
    # It was attached by an operator who has not taken it back.
    device = wait_for("attached again", lambda: cluster["a"].device_here(name), 60)
    check_blocks(device, 0, 64, version=1)
    cluster["a"].detach(name)


def test_unaligned_random_writes_survive_kills_of_each_agent(cluster, name):
    """A journal-checking writer: each acknowledged record is there after each kill, the attached agent's included."""
    device = attached(cluster, name)
    versions = [0] * 256
    for version, victim in enumerate(["b", "a", "c", "a", "b"], start=1):
        fd = open_direct(device)
        for i in random.sample(range(256), 64):
            assert os.pwritev(fd, [aligned(block(i, version))], i * BLOCK) == BLOCK
            versions[i] = version
        os.close(fd)
        cluster[victim].kill()
        cluster[victim].start()
        device = wait_for("attached", lambda: cluster["a"].device_here(name), 60)
        for i, v in enumerate(versions):
            if v:
                check_blocks(device, i, 1, v)
