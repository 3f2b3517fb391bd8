"""Nodes of two data-plane threads, with a pool on each: volumes are spread over them, and nothing else is to be seen of it."""

import pathlib

from blockio import check_blocks, fio, write_blocks
from cluster import wait_for

VOLUMES = 4


def work_of_threads(agent):
    """Of each data-plane thread the times that it has slept and come back."""
    work = {}
    for task in pathlib.Path(f"/proc/{agent.process.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if name.startswith("quoin-data"):
            status = (task / "status").read_text()
            work[name] = int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return work


def pools_used(agent, names):
    return {r["pool"] for name in names for r in agent.volume(name)["replicas"] if r["node"] == agent.name}


def all_healthy(agent, names):
    return all(agent.volume(name)["state"] == "healthy" for name in names)


def make(cluster, name):
    names = [f"{name}-{i}" for i in range(VOLUMES)]
    for each in names:
        cluster["a"].create(each, size="64M")
    return names


def remove(cluster, names):
    for each in names:
        cluster["a"].remove(each)


def test_volumes_are_spread_over_the_threads(threaded, name):
    a = threaded["a"]
    names = make(threaded, name)
    assert len(pools_used(a, names)) == 2
    before = {node: work_of_threads(threaded[node]) for node in "abc"}
    assert all(sorted(b) == ["quoin-data-0", "quoin-data-1"] for b in before.values()), before
    devices = [a.attach(each) for each in names]
    for i, device in enumerate(devices):
        write_blocks(device, 0, 1024, version=i + 1, batch=4)
    wait_for("healthy", lambda: all_healthy(a, names))
    for i, device in enumerate(devices):
        check_blocks(device, 0, 1024, version=i + 1)
    for node, b in before.items():
        for thread, work in work_of_threads(threaded[node]).items():
            assert work - b[thread] > 256, (node, thread, b)
    for each in names:
        a.detach(each)
        threaded["b"].attach(each)
    for i, each in enumerate(names):
        check_blocks(f"/dev/quoin/{each}", 0, 1024, version=i + 1)
        threaded["b"].detach(each)
    remove(threaded, names)


def test_fio_verifies_on_both_at_once(threaded, name):
    names = make(threaded, name)
    devices = [threaded["a"].attach(each) for each in names[:2]]
    assert len(pools_used(threaded["a"], names[:2])) == 2
    fio("--rw=randrw", "--bs=4k-128k", "--direct=1", "--ioengine=libaio", "--iodepth=16", "--size=48M", "--io_size=64M",
        "--verify=crc32c", f"--filename={devices[0]}", "--name=other", "--rw=randrw", "--bs=4k-128k", "--direct=1",
        "--ioengine=libaio", "--iodepth=16", "--size=48M", "--io_size=64M", "--verify=crc32c", f"--filename={devices[1]}")
    for each in names[:2]:
        threaded["a"].detach(each)
    remove(threaded, names)


def test_a_replica_moves_between_the_threads_of_a_node(threaded, name):
    a = threaded["a"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 2048, version=1)
    here = pools_used(a, [name]).pop()
    other = "p1" if here == "p" else "p"
    a.cli("volume", "move-replica", name, "--from", f"a/{here}", "--to", f"a/{other}")
    wait_for("moved", lambda: pools_used(a, [name]) == {other} and all_healthy(a, [name]), 60)
    write_blocks(device, 100, 100, version=2)
    check_blocks(device, 0, 100, version=1)
    check_blocks(device, 100, 100, version=2)
    a.detach(name)
    device = a.attach(name)
    check_blocks(device, 100, 100, version=2)
    a.detach(name)
    a.remove(name)


def test_a_snapshot_is_read_on_another_node(threaded, name):
    names = make(threaded, name)
    for i, each in enumerate(names):
        write_blocks(threaded["a"].attach(each), 0, 256, version=i + 1)
        threaded["a"].cli("snapshot", "create", f"{each}@s")
        write_blocks(f"/dev/quoin/{each}", 0, 256, version=9)
    for i, each in enumerate(names):
        threaded["c"].cli("volume", "attach", f"{each}@s")
        check_blocks(f"/dev/quoin/{each}@s", 0, 256, version=i + 1)
        threaded["c"].cli("volume", "detach", f"{each}@s")
        threaded["a"].detach(each)
        threaded["a"].cli("snapshot", "rm", f"{each}@s")
    remove(threaded, names)


def test_killed_agents_come_back_with_another_number_of_threads(threaded, name):
    names = make(threaded, name)
    devices = [threaded["a"].attach(each) for each in names]
    for i, device in enumerate(devices):
        write_blocks(device, 0, 512, version=i + 1)
    b = threaded["b"]
    b.kill()
    for device in devices:
        write_blocks(device, 512, 256, version=7)
    b.config.write_text(b.config.read_text().replace("threads = 2", "threads = 3"))
    b.start()
    assert len(work_of_threads(b)) == 3
    wait_for("healthy", lambda: all_healthy(threaded["a"], names), 60)
    threaded["a"].kill()
    for i, each in enumerate(names):
        wait_for("taken over", lambda: b.attach(each), 40, 0.5)
        check_blocks(f"/dev/quoin/{each}", 0, 512, version=i + 1)
        check_blocks(f"/dev/quoin/{each}", 512, 256, version=7)
    threaded["a"].start()
    for each in names:
        b.detach(each)
    remove(threaded, names)
    b.stop()
    b.config.write_text(b.config.read_text().replace("threads = 3", "threads = 2"))
    b.start()
