"""Snapshots on three agents: made while the volume is used, rolled back to, removed; one agent away meanwhile."""

import json
import os
import pathlib
import subprocess

import pytest

from blockio import check_blocks, write_blocks
from cluster import ApiError, wait_for

COUNT = 512


def snapshots(agent, name):
    answer = json.loads(agent.cli("snapshot", "list", name, "--json").stdout)
    return [(s["name"], s["state"]) for s in answer["snapshots"]]


def attached_on(agent, name):
    answer = json.loads(agent.cli("snapshot", "list", name, "--json").stdout)
    return sorted(node for s in answer["snapshots"] for node in s["attached_on"])


def loop_of(agent, name):
    """The loop device of this agent's device of that name, or None."""
    for loop in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if loop.read_text().strip() == f"{agent.state}/dev/{name}/volume":
                return f"/dev/{loop.parts[3]}"
        except OSError:
            pass  # it has gone meanwhile
    return None


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
    mount = agents["a"].plugin("Mount", Name=name, ID="1")["Mountpoint"]
    with open(os.path.join(mount, "file"), "w") as f:
        f.write("before")  # not synced: the freeze does that
    a.cli("snapshot", "create", f"{name}@one", "--freeze")
    with open(os.path.join(mount, "file"), "w") as f:
        f.write("after")  # it is thawed
    agents["a"].plugin("Unmount", Name=name, ID="1")
    wait_for("the volume detached", lambda: a.holder(name) is None)
    a.cli("snapshot", "rollback", f"{name}@one")
    mount = agents["a"].plugin("Mount", Name=name, ID="2")["Mountpoint"]
    with open(os.path.join(mount, "file")) as f:
        assert f.read() == "before"
    agents["a"].plugin("Unmount", Name=name, ID="2")


def test_a_snapshot_is_read_on_several_nodes_while_the_volume_is_written(agents, name):
    a, b, c = agents["a"], agents["b"], agents["c"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    a.cli("snapshot", "create", f"{name}@one")
    write_blocks(device, 0, COUNT, version=2)
    wait_for("c's view of the snapshot", lambda: snapshots(c, name) == [("one", "ready")])
    wait_for("b's view of the snapshot", lambda: snapshots(b, name) == [("one", "ready")])
    links = {}
    for agent in (a, b, c):
        said = agent.cli("volume", "attach", f"{name}@one").stdout
        links[agent.name] = json.loads(agent.cli("volume", "attach", f"{name}@one", "--json").stdout)["snapshot"]["device"]
        assert links[agent.name] in said and "read-only" in said
        # /dev/quoin is shared by the agents of this machine: the device is found by its own agent's directory.
        check_blocks(loop_of(agent, f"{name}@one"), 0, COUNT, version=1)
        write_blocks(device, 0, COUNT, version=3)
        check_blocks(loop_of(agent, f"{name}@one"), 0, COUNT, version=1)
    with pytest.raises(OSError):
        write_blocks(loop_of(b, f"{name}@one"), 0, 1, version=9)
    check_blocks(device, 0, COUNT, version=3)

    # Refused while any node has it, with that node's name; in use, with who uses it.
    for agent in (a, c):
        agent.cli("volume", "detach", f"{name}@one")
    wait_for("a's view of that", lambda: attached_on(a, name) == ["b"])
    done = a.cli("snapshot", "rm", f"{name}@one", check=False)
    assert done.returncode == 4 and "attached on node b" in done.stderr, done.stderr
    fd = os.open(loop_of(b, f"{name}@one"), os.O_RDONLY)
    done = b.cli("volume", "detach", f"{name}@one", check=False)
    assert done.returncode == 4 and "in use" in done.stderr, done.stderr
    os.close(fd)
    done = b.cli("volume", "serve-nbd", f"{name}@one", check=False)
    assert done.returncode == 4 and "volume detach" in done.stderr, done.stderr
    b.cli("volume", "detach", f"{name}@one")
    wait_for("a's view of that", lambda: attached_on(a, name) == [])
    a.cli("snapshot", "rm", f"{name}@one")
    for words, code, part in ((("attach", f"{name}@one"), 3, "no snapshot"), (("attach", f"{name}@"), 2, "VOLUME@NAME"),
                              (("detach", "@one"), 2, "VOLUME@NAME"), (("serve-nbd", "none@one"), 3, "none"),
                              (("attach", f"{name}@one", "--force"), 2, "--force")):
        done = a.cli("volume", *words, check=False)
        assert done.returncode == code and part in done.stderr, done.stderr
    a.detach(name)
    a.remove(name)


def runs_of(agent, snapshot, context="base:allocation"):
    """What block status says of a snapshot's export: [(bytes, state)], neighbours that are alike together."""
    uri = f"nbd+unix:///{snapshot}?socket=" + json.loads(
        agent.cli("volume", "serve-nbd", snapshot, "--json").stdout)["snapshot"]["device"]
    said = json.loads(subprocess.run(["nbdinfo", "--json", f"--map={context}", uri], check=True, capture_output=True,
                                     timeout=60).stdout)
    runs = []
    for run in said:
        if runs and runs[-1][1] == run["type"]:
            runs[-1] = (runs[-1][0] + run["length"], run["type"])
        else:
            runs.append((run["length"], run["type"]))
    return runs


def test_a_snapshots_export_shows_holes_and_what_has_changed(agents, name):
    """By each agent, from its own replica or another's; c has none while it is away."""
    a, b = agents["a"], agents["b"]
    k = 4096
    a.create(name, size="512M")
    device = a.attach(name)
    write_blocks(device, 0, 32, version=1)
    a.cli("snapshot", "create", f"{name}@one")
    write_blocks(device, 4, 4, version=2)
    write_blocks(device, 100000, 8, version=2)
    subprocess.run(["blkdiscard", "-o", str(16 * k), "-l", str(16 * k), device], check=True, timeout=30)
    a.cli("snapshot", "create", f"{name}@two")
    write_blocks(device, 50000, 8, version=3)
    uuids = {s["name"]: s["uuid"] for s in json.loads(a.cli("snapshot", "list", name, "--json").stdout)["snapshots"]}
    tail = (512 << 20) - 100008 * k
    for agent in (a, b):
        wait_for("the snapshots", lambda: len(snapshots(agent, name)) == 2 and snapshots(agent, name)[1][1] == "ready")
        assert runs_of(agent, f"{name}@one") == [(32 * k, 0), ((512 << 20) - 32 * k, 3)]
        assert runs_of(agent, f"{name}@two") == [(16 * k, 0), (99984 * k, 3), (8 * k, 0), (tail, 3)]
        assert runs_of(agent, f"{name}@two", f"quoin:changed-since:{uuids['one']}") == [
            (4 * k, 0), (4 * k, 1), (8 * k, 0), (16 * k, 3), (99968 * k, 0), (8 * k, 1), (tail, 0)]
        image = json.loads(subprocess.run(
            ["qemu-img", "map", "--output=json", "-f", "raw", f"nbd+unix:///{name}@one?socket=" + json.loads(
                agent.cli("volume", "serve-nbd", f"{name}@one", "--json").stdout)["snapshot"]["device"]],
            check=True, capture_output=True, timeout=60).stdout)
        assert [(run["length"], run["data"]) for run in image] == [(32 * k, True), ((512 << 20) - 32 * k, False)]
        for snapshot in ("one", "two"):
            agent.cli("volume", "detach", f"{name}@{snapshot}")
    wait_for("nobody has them", lambda: attached_on(a, name) == [])
    for snapshot in ("one", "two"):
        a.cli("snapshot", "rm", f"{name}@{snapshot}")
    a.detach(name)
    a.remove(name)


def test_snapshots_with_the_longest_names_are_attached(agents, name):
    a = agents["a"]
    volume = (name + "v" * 128)[:128]
    one, two = ((n + "s" * 128)[:127] + last for n, last in (("", "1"), ("", "2")))
    a.create(volume, size="64M")
    device = a.attach(volume)
    devices = {}
    for version, snapshot in ((1, one), (2, two)):
        write_blocks(device, 0, COUNT, version=version)
        a.cli("snapshot", "create", f"{volume}@{snapshot}")
        said = json.loads(a.cli("volume", "attach", f"{volume}@{snapshot}", "--json").stdout)
        devices[version] = said["snapshot"]["device"]
    assert devices[1] != devices[2]
    for version, link in devices.items():
        check_blocks(os.path.realpath(link), 0, COUNT, version=version)
    # A killed agent's leftovers, then both again.
    a.kill()
    a.start()
    for version, snapshot in ((1, one), (2, two)):
        said = json.loads(a.cli("volume", "attach", f"{volume}@{snapshot}", "--json").stdout)
        assert said["snapshot"]["device"] == devices[version]
        check_blocks(os.path.realpath(devices[version]), 0, COUNT, version=version)
        a.cli("volume", "detach", f"{volume}@{snapshot}")
        assert not os.path.lexists(devices[version])
        a.cli("snapshot", "rm", f"{volume}@{snapshot}")
    a.detach(volume)
    a.remove(volume)


def test_an_attached_snapshot_is_mounted_and_ends_with_its_agent(agents, name, tmp_path):
    a, b = agents["a"], agents["b"]
    a.create(name, size="64M")
    mount = agents["a"].plugin("Mount", Name=name, ID="1")["Mountpoint"]
    with open(os.path.join(mount, "file"), "w") as f:
        f.write("before")
    a.cli("snapshot", "create", f"{name}@one", "--freeze")
    with open(os.path.join(mount, "file"), "w") as f:
        f.write("after")
    wait_for("b's view of the snapshot", lambda: snapshots(b, name) == [("one", "ready")])
    b.cli("volume", "attach", f"{name}@one")
    subprocess.run(["mount", "-o", "ro,noload", loop_of(b, f"{name}@one"), str(tmp_path)], check=True, timeout=30)
    with open(tmp_path / "file") as f:
        assert f.read() == "before"
    b.kill()
    # What it left is gone when it is there again, and holds the snapshot no longer.
    b.start()
    assert loop_of(b, f"{name}@one") is None and not os.path.ismount(tmp_path)
    wait_for("a's view of that", lambda: attached_on(a, name) == [])
    b.cli("volume", "serve-nbd", f"{name}@one")
    b.stop()
    b.start()
    agents["a"].plugin("Unmount", Name=name, ID="1")
    wait_for("the volume detached", lambda: a.holder(name) is None)
    a.cli("snapshot", "rm", f"{name}@one")
    a.remove(name)


def test_an_attached_snapshot_follows_its_volumes_members(agents, name):
    a, b, c = agents["a"], agents["b"], agents["c"]
    a.create(name, size="64M", replicas=2)
    on = {r["node"] for r in a.volume(name)["replicas"]}
    outside = next(n for n in "abc" if n not in on)
    goes = next(n for n in sorted(on) if n != "a") if "a" in on else sorted(on)[0]
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    a.cli("snapshot", "create", f"{name}@one")
    wait_for("b's view of the snapshot", lambda: snapshots(b, name) == [("one", "ready")])
    b.cli("volume", "attach", f"{name}@one")
    for fr, to in ((goes, outside), (next(n for n in on if n != goes), goes)):
        a.cli("volume", "move-replica", name, "--from", fr, "--to", to)
        wait_for("the move", lambda: {r["node"] for r in a.volume(name)["replicas"]} ==
                 (on - {fr}) | {to}, 90)
        on = (on - {fr}) | {to}
    check_blocks(loop_of(b, f"{name}@one"), 0, COUNT, version=1)
    b.cli("volume", "detach", f"{name}@one")
    a.detach(name)


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
