"""Members of a group come, go and move, while the volume is written."""

import threading

import pytest

from blockio import check_blocks, fio, write_blocks
from cluster import ApiError, wait_for

MIB = 256  # blocks


def nodes_of(agent, name):
    return sorted(r["node"] for r in agent.volume(name)["replicas"])


def settled(agent, name, nodes):
    def check():
        volume = agent.volume(name)
        return volume["state"] == "healthy" and sorted(r["node"] for r in volume["replicas"]) == sorted(nodes)

    wait_for(f"{name} on {nodes}, healthy", check, 120, 0.2)


def with_a_fourth(cluster):
    d = cluster.add("d")
    d.start()
    wait_for("d's pool at a", lambda: len([p for p in cluster["a"].get("/v1/pools")["pools"] if p["state"] == "ok"]) == 4)
    return d


def test_a_replica_moves_while_fio_writes_and_verifies(cluster, name):
    a = cluster["a"]
    d = with_a_fourth(cluster)
    a.create(name, size="128M")
    first = nodes_of(a, name)
    here = first[0]
    agent = cluster[here]
    wait_for("the volume there", lambda: agent.volume(name))
    device = agent.attach(name)
    write_blocks(device, 20 * MIB, MIB, version=1)
    leaves = first[2]
    comes = ({"a", "b", "c", "d"} - set(first)).pop()
    failed = []

    def load():
        try:
            fio("--filename=" + device, "--rw=randwrite", "--bs=4k", "--direct=1", "--iodepth=4", "--ioengine=libaio",
                "--size=16M", "--io_size=48M", "--verify=crc32c", "--do_verify=1")
        except AssertionError as e:
            failed.append(e)

    writer = threading.Thread(target=load)
    writer.start()
    agent.cli("volume", "move-replica", name, "--from", leaves, "--to", comes)
    with pytest.raises(ApiError):  # one change at a time
        agent.request("POST", f"/v1/volumes/{name}/move-replica", {"from": first[1], "to": leaves})
    settled(agent, name, (set(first) - {leaves}) | {comes})
    writer.join()
    assert not failed, failed
    # The new one counts: with another of the old ones dead, what was written is there, and writes go on.
    others = set(first) - {leaves, here}
    cluster[others.pop()].kill()
    write_blocks(device, 30 * MIB, MIB, version=2)
    check_blocks(device, 20 * MIB, MIB, version=1)
    check_blocks(device, 30 * MIB, MIB, version=2)
    agent.detach(name)
    assert d.alive()


def test_one_replica_becomes_three_and_one_again(cluster, name):
    a = cluster["a"]
    a.create(name, size="64M", replicas="1")
    agent = cluster[nodes_of(a, name)[0]]
    wait_for("the volume there", lambda: agent.volume(name))
    device = agent.attach(name)
    write_blocks(device, 0, MIB, version=1)
    for count in (2, 3):
        agent.cli("volume", "set-replicas", name, str(count))
        wait_for(f"{count} replicas", lambda: len(nodes_of(agent, name)) == count
                 and agent.volume(name)["state"] == "healthy", 120, 0.2)
        wait_for("the change's end", lambda: len(agent.events("membership-changed")) == 2 * (count - 1), 60)
        write_blocks(device, count * MIB, MIB, version=count)
    for count in (2, 1):
        agent.cli("volume", "set-replicas", name, str(count))
        wait_for(f"{count} replicas", lambda: len(nodes_of(agent, name)) == count
                 and agent.volume(name)["state"] == "healthy", 120, 0.2)
    for other in "abc":
        if cluster[other] is not agent:
            cluster[other].kill()
    write_blocks(device, 5 * MIB, MIB, version=5)
    for at in (2, 3, 5):
        check_blocks(device, at * MIB, MIB, version=at)
    check_blocks(device, 0, MIB, version=1)
    agent.detach(name)
