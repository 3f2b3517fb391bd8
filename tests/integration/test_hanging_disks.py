"""Disks that hang in the kernel, or fail reads in many places: the pool has failed, in words; its replicas are made
elsewhere, its agent stops in order, and starts in bounded time."""

import concurrent.futures
import time

import pytest

from blockio import check_blocks, write_blocks
from cluster import Cluster, wait_for
from hanging import HangingFile

MIB = 256  # blocks
GIB = 1 << 30


@pytest.fixture
def disk():
    made = HangingFile(2 * GIB)
    yield made
    made.close()


@pytest.fixture
def make(disk):
    """Agents a, b and c, and room for a fourth; c's pool p lies on `disk`."""
    cluster = Cluster()

    def three(**how):
        for name in "abc":
            add(cluster, name, **how)
        c = cluster["c"]
        c.config.write_text(c.config.read_text().replace(f"path = {c.pool}\n", f"path = {disk.path}\n"))
        return cluster.init().start()

    yield three
    disk.mode("pass")
    problems = cluster.close()
    assert not problems, problems


def add(cluster, name, **how):
    agent = cluster.add(name, **how)
    agent.config.write_text(agent.config.read_text().replace("[cluster]\n", "[cluster]\nrebuild_after = 5s\n"))
    return agent


def roles(agent, name):
    return {r["node"]: r["role"] for r in agent.volume(name)["replicas"]}


def stop_while_it_hangs(agent, seconds=32):
    """Stopped in order; the process itself may stay in the kernel until the disk answers."""
    began = time.monotonic()
    agent.process.terminate()
    wait_for("stopped in order", lambda: agent.log_tail().rstrip().endswith("stopped") or print(agent.log_tail(5)), seconds, 1)
    return time.monotonic() - began


def ended(agent):
    assert agent.process.wait(20) == 0, agent.log_tail()
    agent.process = None


def is_replaced(cluster, name, words):
    """c's pool has failed, with these words, told once and to everybody; its replica is d's."""
    a, c = cluster["a"], cluster["c"]
    event = c.events("pool-failed")
    assert len(event) == 1 and event[0]["subject"] == "p" and words in event[0]["text"], event
    listed = wait_for("it says why", lambda: "has failed" in (out := a.cli("pool", "list").stdout) and out, 30)
    assert "pool p of node c has failed: " in listed and words in listed
    wait_for("d has its place", lambda: roles(a, name).get("d") == "voter" and roles(a, name).get("c") != "voter", 60)
    wait_for("healthy", lambda: a.volume(name)["state"] == "healthy", 60)


def test_a_disk_that_hangs_is_replaced_and_its_agent_stops_in_order(make, disk, name):
    cluster = make()
    a, c = cluster["a"], cluster["c"]
    a.create(name, size="64M")
    add(cluster, "d").start()
    device = a.attach(name)
    write_blocks(device, 0, 4 * MIB, version=1)
    disk.mode("hang")

    def failed():
        write_blocks(device, 0, 16, version=2)
        return c.events("pool-failed")

    wait_for("the pool has failed", failed, 30)
    is_replaced(cluster, name, "has not answered")
    assert a.events("replica-replaced")
    check_blocks(device, 0, 16, version=2)
    check_blocks(device, 16, 4 * MIB - 16, version=1)
    assert stop_while_it_hangs(c) < 10
    assert "does not answer, and isn't waited for" in c.log_tail(), c.log_tail()
    disk.mode("pass")
    ended(c)
    # As good as ever: its replica was retired meanwhile.
    c.start()
    wait_for("c's is gone", lambda: "c" not in roles(a, name), 60)
    assert not c.events("pool-failed")
    a.detach(name)


def test_an_agent_stops_in_order_while_a_disk_begins_to_hang(make, disk, name):
    cluster = make()
    c = cluster["c"]
    c.create(name, size="64M")
    device = c.attach(name)
    write_blocks(device, 0, 4 * MIB, version=1)
    disk.mode("hang")
    assert stop_while_it_hangs(c) < 20
    disk.mode("pass")
    ended(c)
    c.start()
    device = wait_for("attached again", lambda: c.device_here(name), 60)
    check_blocks(device, 0, 4 * MIB, version=1)
    c.detach(name)


@pytest.mark.parametrize("how", ["hang", "hang-far"])
def test_an_agent_starts_though_a_disk_hangs(make, disk, name, how):
    cluster = make(threads=2)
    a, c = cluster["a"], cluster["c"]
    c.stop()
    disk.mode(how)
    began = time.monotonic()
    c.start()  # ready
    assert time.monotonic() - began < 25
    pools = {p["name"]: p for p in c.get("/v1/pools")["pools"] if p["local"]}
    assert pools["p1"]["state"] == "ok", pools
    assert pools["p"]["state"] == "failed" and "has not answered" in pools["p"]["state_reason"], pools
    assert "Once it answers, restart the agent" in pools["p"]["state_reason"]
    assert [e["subject"] for e in c.events("pool-failed")] == ["p"]
    # The other pool serves.
    a.create(name, size="64M")
    assert roles(a, name).get("c") == "voter"
    device = c.attach(name)
    write_blocks(device, 0, MIB, version=1)
    check_blocks(device, 0, MIB, version=1)
    c.detach(name)
    assert stop_while_it_hangs(c) < 10
    disk.mode("pass")
    ended(c)
    c.start()
    wait_for("both", lambda: [p["state"] for p in c.get("/v1/pools")["pools"] if p["local"]] == ["ok", "ok"])
    a.remove(name)


def written_on_its_own_disk(cluster, name):
    """The device, on c, of a volume of which 64 grains are to be read from the disk; d has room for a replacement."""
    cluster["a"].create(name, size="64M")
    add(cluster, "d").start()
    device = cluster["c"].attach(name)
    write_blocks(device, 0, 4 * MIB, version=1)
    time.sleep(3)  # applied: not in memory any more
    return device


def test_one_read_that_hangs_beside_others_ends_in_a_replacement(make, disk, name):
    cluster = make()
    c = cluster["c"]
    device = written_on_its_own_disk(cluster, name)
    disk.mode("hang-one-read")
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reader = pool.submit(check_blocks, device, 0, MIB, version=1)

        def failed():
            write_blocks(device, 8 * MIB, 16, version=2)
            return c.events("pool-failed")

        wait_for("the pool has failed", failed, 90, 0.5)
        assert time.monotonic() - began > 50
        reader.result(20)  # from elsewhere
    is_replaced(cluster, name, "has not answered an operation for 60 s")
    check_blocks(device, 0, 4 * MIB, version=1)
    check_blocks(device, 8 * MIB, 16, version=2)
    c.detach(name)


def test_many_bad_reads_end_in_a_replacement(make, disk, name):
    cluster = make()
    c = cluster["c"]
    device = written_on_its_own_disk(cluster, name)
    disk.mode("bad-reads")
    check_blocks(device, 0, 4 * MIB, version=1)  # each from elsewhere
    wait_for("the pool has failed", lambda: c.events("pool-failed"), 30)
    is_replaced(cluster, name, "the device has failed reads in 32 places within an hour")
    check_blocks(device, 0, 4 * MIB, version=1)
    c.detach(name)
