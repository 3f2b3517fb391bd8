"""Agents that are killed and start again while the kvdb is away: replicas serve, what was attached comes up again."""

import json
import os
import re
import subprocess

import pytest

from blockio import check_blocks, write_blocks
from cluster import ApiError, Cluster, wait_for


@pytest.fixture
def away(request):
    """Three agents; a has the Docker plugin."""
    cluster = Cluster()
    try:
        cluster.add("a", docker_socket=cluster.dir / "docker.sock")
        cluster.add("b")
        cluster.add("c")
        cluster.init().start()
        yield cluster
    finally:
        if (cluster.dir / "kvdb.hidden").exists():
            kvdb_show(cluster)  # or a stop in order would wait for it
        problems = cluster.close()
    assert not problems, problems


def kvdb_hide(cluster):
    (cluster.dir / "kvdb.sqlite").rename(cluster.dir / "kvdb.hidden")
    for agent in cluster.agents.values():
        wait_for("it notices", lambda: agent.events("kvdb-away"))


def kvdb_show(cluster):
    assert not (cluster.dir / "kvdb.sqlite").exists(), "an agent has made a new database in the old one's place"
    (cluster.dir / "kvdb.hidden").rename(cluster.dir / "kvdb.sqlite")


def is_complete(agent, volume, node):
    return any(r["node"] == node and r["state"] == "complete" for r in agent.volume(volume)["replicas"])


def test_agents_restarted_without_the_kvdb_serve_and_resume(away, name):
    a, b, c = away["a"], away["b"], away["c"]
    a.create(name, size="128M")
    device = a.attach(name)
    write_blocks(device, 0, 64, version=1)
    mounted = f"{name}-fs"
    away["a"].plugin("Create", Name=mounted, Opts={"size": "128M"})
    path = away["a"].plugin("Mount", Name=mounted, ID="one")["Mountpoint"]
    with open(f"{path}/record", "w") as f:
        f.write("acknowledged")
        f.flush()
        os.fsync(f.fileno())
    kvdb_hide(away)

    # One whose replica is needed afterwards.
    b.kill()
    write_blocks(device, 0, 64, version=2)
    b.start(ready=False)
    wait_for("b's replica is back", lambda: is_complete(a, name, "b"), 40)
    c.kill()
    write_blocks(device, 0, 32, version=3)
    check_blocks(device, 0, 32, version=3)
    c.start(ready=False)
    with pytest.raises(ApiError) as refused:
        b.volume(name)
    assert "metadata database" in refused.value.text, refused.value

    # Two at once, the holder among them.
    a.kill()
    b.kill()
    b.start(ready=False)
    a.start(ready=False)
    wait_for("both are attached again", lambda: len(a.events("volume-resumed")) == 2, 60)
    wait_for("it is mounted again", lambda: os.path.ismount(path))
    check_blocks(device, 0, 32, version=3)
    check_blocks(device, 32, 32, version=2)
    with open(f"{path}/record") as f:
        assert f.read() == "acknowledged"
    write_blocks(device, 0, 64, version=4)
    assert not a.get("/v1/status")["ready"]

    kvdb_show(away)
    for agent in away.agents.values():
        agent.wait_ready()
    assert a.device_here(name) == device
    for volume in (name, mounted):
        wait_for("all its replicas are complete", lambda: a.volume(volume)["state"] == "healthy", 40)
    check_blocks(device, 0, 64, version=4)
    assert not a.events("volume-fenced") and not a.events("volume-not-attached")
    away["a"].plugin("Unmount", Name=mounted, ID="one")
    a.detach(name)
    device = b.attach(name)
    check_blocks(device, 0, 64, version=4)
    b.detach(name)


def mount_options(path):
    with open("/proc/self/mounts", encoding="ascii") as mounts:
        return [line.split()[3].split(",") for line in mounts if line.split()[1] == path][0]


def test_a_class_says_how_a_filesystem_is_made_and_mounted_also_without_the_kvdb(away, name):
    a = away["a"]
    refused = a.cli("class", "set", "default", "mount_options=comit=30", check=False)
    assert refused.returncode == 2 and 'did you mean "commit"' in refused.stderr, refused
    a.cli("class", "set", "default", "mount_options=commit=30,nosuid")
    a.cli("class", "set", "default", "mkfs_options=inode_size=512,inode_ratio=65536")
    assert "mkfs_options = inode_size=512,inode_ratio=65536\n" in a.cli("class", "show", "default").stdout
    away["a"].plugin("Create", Name=name, Opts={"size": "128M"})
    path = away["a"].plugin("Mount", Name=name, ID="one")["Mountpoint"]
    assert {"commit=30", "nosuid", "noatime"} <= set(mount_options(path))
    made = subprocess.run(["tune2fs", "-l", f"/dev/quoin/{name}"], check=True, capture_output=True, text=True).stdout
    assert re.search(r"Inode size:\s+512\n", made) and re.search(r"Inode count:\s+2048\n", made), made
    kvdb_hide(away)
    a.kill()
    a.start(ready=False)
    wait_for("it is mounted again", lambda: os.path.ismount(path) and a.events("volume-resumed"), 60)
    assert {"commit=30", "nosuid", "noatime"} <= set(mount_options(path))
    kvdb_show(away)
    wait_for("a is ready", lambda: a.get("/v1/status")["ready"], 60)
    away["a"].plugin("Unmount", Name=name, ID="one")
