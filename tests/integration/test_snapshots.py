"""Snapshots on three agents: made while the volume is used, rolled back to, removed; one agent away meanwhile."""

import json
import os

import pytest

from blockio import check_blocks, write_blocks
from cluster import ApiError, Cluster, UnixConnection, wait_for

COUNT = 512


@pytest.fixture(scope="module")
def agents():
    """Three agents; a has the Docker plugin."""
    cluster = Cluster()
    try:
        cluster.add("a", docker_socket=cluster.dir / "docker.sock")
        cluster.add("b")
        cluster.add("c")
        cluster.init().start()
        yield cluster
    finally:
        problems = cluster.close()
    assert not problems, problems


def plugin(cluster, verb, **body):
    connection = UnixConnection(str(cluster.dir / "docker.sock"), 70)
    try:
        connection.request("POST", f"/VolumeDriver.{verb}", json.dumps(body))
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    assert not answer.get("Err"), answer
    return answer


def snapshots(agent, name):
    answer = json.loads(agent.cli("snapshot", "list", name, "--json").stdout)
    return [(s["name"], s["state"]) for s in answer["snapshots"]]


def test_a_rollback_brings_back_what_was_there(agents, name):
    a, b = agents["a"], agents["b"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    a.cli("snapshot", "create", f"{name}@one")
    write_blocks(device, 100, COUNT, version=2)
    a.cli("snapshot", "create", f"{name}@two")
    write_blocks(device, 0, 50, version=3)
    assert snapshots(a, name) == [("one", "ready"), ("two", "ready")]

    # Refused, each with its exit code and words.
    for words, code, part in ((("create", f"{name}@one"), 4, "exists already"), (("rm", f"{name}@three"), 3, "no snapshot"),
                              (("rollback", f"{name}@one"), 4, "detach it first"), (("create", name), 2, "VOLUME@NAME")):
        done = a.cli("snapshot", *words, check=False)
        assert done.returncode == code and part in done.stderr, done.stderr
    wait_for("the holder at b", lambda: b.holder(name) == "a")
    assert b.cli("snapshot", "rm", f"{name}@one", check=False).returncode == 4

    a.detach(name)
    wait_for("b's view of that", lambda: b.holder(name) is None)
    b.cli("snapshot", "rollback", f"{name}@one")
    wait_for("the volume detached", lambda: b.holder(name) is None)
    device = b.attach(name)
    check_blocks(device, 0, COUNT, version=1)
    b.detach(name)
    b.cli("snapshot", "rollback", f"{name}@two")
    device = b.attach(name)
    check_blocks(device, 0, 100, version=1)
    check_blocks(device, 100, COUNT, version=2)
    b.detach(name)

    with pytest.raises(ApiError) as error:
        b.remove(name)
    assert "snapshots" in error.value.text
    b.cli("snapshot", "rm", f"{name}@one")
    device = b.attach(name)
    check_blocks(device, 0, 100, version=1)
    check_blocks(device, 100, COUNT, version=2)
    b.detach(name)
    b.cli("snapshot", "rm", f"{name}@two")
    assert snapshots(b, name) == []
    b.remove(name)


def test_a_frozen_filesystem_is_whole_in_its_snapshot(agents, name):
    a = agents["a"]
    a.create(name, size="64M")
    mount = plugin(agents, "Mount", Name=name, ID="1")["Mountpoint"]
    with open(os.path.join(mount, "file"), "w") as f:
        f.write("before")  # not synced: the freeze does that
    a.cli("snapshot", "create", f"{name}@one", "--freeze")
    with open(os.path.join(mount, "file"), "w") as f:
        f.write("after")  # it is thawed
    plugin(agents, "Unmount", Name=name, ID="1")
    wait_for("the volume detached", lambda: a.holder(name) is None)
    a.cli("snapshot", "rollback", f"{name}@one")
    mount = plugin(agents, "Mount", Name=name, ID="2")["Mountpoint"]
    with open(os.path.join(mount, "file")) as f:
        assert f.read() == "before"
    plugin(agents, "Unmount", Name=name, ID="2")


def test_an_agent_that_was_away_has_the_snapshots_too(agents, name):
    a, b, c = agents["a"], agents["b"], agents["c"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    a.cli("snapshot", "create", f"{name}@one")
    c.kill()
    write_blocks(device, 256, COUNT, version=2)
    a.cli("snapshot", "create", f"{name}@two")
    write_blocks(device, 0, COUNT, version=3)
    c.start()
    wait_for("all replicas complete", lambda: a.volume(name)["state"] == "healthy", 60)
    a.detach(name)
    a.stop()
    wait_for("b's view of that", lambda: b.holder(name) is None)
    # b and c are the quorum: c's log must have what was made without it.
    b.cli("snapshot", "rollback", f"{name}@two")
    device = c.attach(name)
    check_blocks(device, 0, 256, version=1)
    check_blocks(device, 256, COUNT, version=2)
    c.detach(name)
