"""Mounted filesystems give back what they don't use any more."""

import os
import pathlib
import subprocess

import pytest

from cluster import Cluster, wait_for


@pytest.fixture(scope="module")
def agent():
    cluster = Cluster()
    try:
        cluster.add("a", docker_socket=cluster.dir / "docker.sock")
        cluster.init().start()
        yield cluster["a"]
    finally:
        problems = cluster.close()
    assert not problems, problems


def used_mib(agent):
    return sum(pool["used_bytes"] for pool in agent.get("/v1/pools")["pools"]) >> 20


@pytest.mark.parametrize("fs", ["ext4", "xfs"])
def test_space_of_deleted_files_comes_back_by_itself(agent, name, fs):
    agent.cli("class", "set", "scratch", "trim=1m")
    assert "trim = 1m" in agent.cli("class", "show", "scratch").stdout
    agent.plugin("Create", Name=name, Opts={"size": "1500M", "fs": fs, "class": "scratch"})
    path = pathlib.Path(agent.plugin("Mount", Name=name, ID="1")["Mountpoint"])
    wait_for("it is told", lambda: used_mib(agent) > 0)
    before = used_mib(agent)
    (path / "large").write_bytes(os.urandom(64 << 20))
    subprocess.run(["sync", "-f", path], check=True)
    wait_for("it takes room", lambda: used_mib(agent) >= before + 64)
    (path / "large").unlink()
    subprocess.run(["sync", "-f", path], check=True)
    # An eighth of a minute after the mount, in parts of 1 GiB a second.
    wait_for("it gives it back", lambda: used_mib(agent) < before + 8, 30)
    assert not agent.events("trim-failed")
    # It never stands in the way of an unmount.
    agent.plugin("Unmount", Name=name, ID="1")
    agent.cli("class", "set", "scratch", "trim=never")
    agent.remove(name)
