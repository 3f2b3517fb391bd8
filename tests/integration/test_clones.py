"""Clones on three agents: of a snapshot, of a volume as it is, with an agent away, mounted; what stands on what.

Agent a has the Docker plugin."""

import json
import os
import pathlib
import subprocess

import pytest

from blockio import check_blocks, write_blocks
from cluster import wait_for

COUNT = 512


def inspect(agent, name):
    return json.loads(agent.cli("volume", "inspect", name, "--json").stdout)["volume"]


def states(agent, name):
    return [replica["state"] for replica in inspect(agent, name)["replicas"]]


def pools(agent, name):
    return sorted((replica["node"], replica["pool"]) for replica in inspect(agent, name)["replicas"])


def refused(agent, code, part, *words):
    done = agent.cli(*words, check=False)
    assert done.returncode == code and part in done.stderr, (words, done.returncode, done.stderr)


def test_a_clone_and_its_origin_go_their_own_ways(agents, name):
    a, b = agents["a"], agents["b"]
    clone = f"{name}-clone"
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    a.cli("snapshot", "create", f"{name}@one")
    write_blocks(device, 0, 100, version=2)
    a.cli("volume", "create", clone, "--from", f"{name}@one")
    a.cli("volume", "create", clone, "--from", f"{name}@one")  # the same again
    assert inspect(a, clone)["origin"] == {"volume": name, "snapshot": "one"}
    assert inspect(a, name)["origin"] is None
    assert f"clone of    {name}@one" in a.cli("volume", "inspect", clone).stdout
    assert pools(a, clone) == pools(a, name)

    copy = a.attach(clone)
    check_blocks(copy, 0, COUNT, version=1)
    write_blocks(copy, 50, 100, version=3)
    check_blocks(device, 0, 100, version=2)
    check_blocks(device, 100, COUNT - 100, version=1)
    a.detach(clone)
    wait_for("b's view of that", lambda: b.holder(clone) is None)
    copy = b.attach(clone)
    check_blocks(copy, 0, 50, version=1)
    check_blocks(copy, 50, 100, version=3)
    check_blocks(copy, 150, COUNT - 150, version=1)

    # What the clone stands on stays, and the words say who stands on it.
    refused(a, 4, clone, "snapshot", "rm", f"{name}@one")
    refused(a, 2, "can't be smaller", "volume", "create", "no", "--from", f"{name}@one", "--size", "32M")
    refused(a, 2, "its filesystem", "volume", "create", "no", "--from", f"{name}@one", "--fs", "xfs")
    refused(a, 2, "a clone's replicas are where", "volume", "create", "no", "--from", f"{name}@one", "--near", "a")
    refused(a, 3, "no snapshot two", "volume", "create", "no", "--from", f"{name}@two")
    refused(a, 4, "another origin", "volume", "create", clone, "--from", f"{name}-else")
    a.detach(name)
    refused(a, 4, clone, "volume", "rm", name)

    b.detach(clone)
    b.cli("volume", "rm", clone)
    wait_for("a's view of that", lambda: a.cli("volume", "inspect", clone, check=False).returncode == 3)
    a.cli("snapshot", "rm", f"{name}@one")
    a.cli("volume", "rm", name)


def test_a_clone_of_a_volume_as_it_is_takes_a_snapshot(agents, name):
    a = agents["a"]
    clone = f"{name}-clone"
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    a.cli("volume", "create", clone, "--from", name, "--size", "128M")
    assert inspect(a, clone)["origin"] == {"volume": name, "snapshot": f"clone-{clone}"}
    write_blocks(device, 0, COUNT, version=2)
    copy = a.attach(clone)
    check_blocks(copy, 0, COUNT, version=1)
    write_blocks(copy, 20000, 10, version=4)  # behind the origin's end
    a.detach(clone)
    a.detach(name)


def test_a_clone_that_is_made_while_an_agent_is_away_is_whole_there_too(agents, name):
    a, b, c = agents["a"], agents["b"], agents["c"]
    clone = f"{name}-clone"
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    c.kill()
    write_blocks(device, 0, 64, version=2)
    a.cli("volume", "create", clone, "--from", name)
    # The origin can't tell c before it is attached again: c's replica of the clone is filled from the others.
    a.detach(name)
    copy = a.attach(clone)
    check_blocks(copy, 0, 64, version=2)
    write_blocks(copy, 32, 64, version=3)
    c.start()
    wait_for("all replicas of the clone whole", lambda: states(a, clone) == ["complete"] * 3, seconds=60)
    write_blocks(copy, 300, 20, version=4)
    a.detach(clone)
    # c's own copy alone, with that of a: b is away.
    b.kill()
    wait_for("c's view of that", lambda: c.holder(clone) is None)
    copy = c.attach(clone)
    check_blocks(copy, 0, 32, version=2)
    check_blocks(copy, 32, 64, version=3)
    check_blocks(copy, 96, 204, version=1)
    check_blocks(copy, 300, 20, version=4)
    check_blocks(copy, 320, COUNT - 320, version=1)
    c.detach(clone)
    b.start()


@pytest.mark.parametrize("fs", ["ext4", "xfs"])
def test_a_clone_is_mounted_beside_its_origin(agents, name, fs):
    """Of a mounted volume, as after a power cut: its log is replayed, its UUID is its origin's."""
    a = agents["a"]
    clone, second = f"{name}-clone", f"{name}-second"
    a.plugin("Create", Name=name, Opts={"size": "320M", "fs": fs})
    path = pathlib.Path(a.plugin("Mount", Name=name, ID="1")["Mountpoint"])
    (path / "before").write_text("synced")
    with open(path / "before", "rb") as file:
        os.fsync(file.fileno())
    a.cli("snapshot", "create", f"{name}@one")
    (path / "before").write_text("later")
    subprocess.run(["sync", "-f", path], check=True)
    a.plugin("Create", Name=clone, Opts={"from": f"{name}@one"})
    clone_path = pathlib.Path(a.plugin("Mount", Name=clone, ID="2")["Mountpoint"])
    assert (clone_path / "before").read_text() == "synced" and (path / "before").read_text() == "later"
    assert subprocess.run(["findmnt", "-n", "-o", "FSTYPE", clone_path], capture_output=True, text=True,
                          check=True).stdout.strip() == fs
    (clone_path / "own").write_text("of the clone")
    # A clone of the clone, all three mounted at once.
    a.cli("snapshot", "create", f"{clone}@two", "--freeze")
    a.plugin("Create", Name=second, Opts={"from": f"{clone}@two"})
    second_path = pathlib.Path(a.plugin("Mount", Name=second, ID="3")["Mountpoint"])
    assert (second_path / "own").read_text() == "of the clone" and not (path / "own").exists()
    assert (second_path / "before").read_text() == "synced"
    for volume, user in ((second, "3"), (clone, "2"), (name, "1")):
        a.plugin("Unmount", Name=volume, ID=user)
    # Mounted again, on its own, it has what it had.
    clone_path = pathlib.Path(a.plugin("Mount", Name=clone, ID="4")["Mountpoint"])
    assert (clone_path / "own").read_text() == "of the clone"
    a.plugin("Unmount", Name=clone, ID="4")
    a.remove(second)
    a.cli("snapshot", "rm", f"{clone}@two")
    a.remove(clone)
    a.cli("snapshot", "rm", f"{name}@one")
    a.remove(name)
