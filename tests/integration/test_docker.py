"""The plugin under a real dockerd, as docs/docker.md says that it calls."""

import json
import shutil
import time
import uuid

import pytest

from cluster import Cluster, wait_for
from dockerd import IMAGE, Dockerd

PLUGIN = "/run/docker/plugins/quoin.sock"

pytestmark = pytest.mark.skipif(not shutil.which("dockerd"), reason="there is no dockerd")


class Machine:
    """Three agents; dockerd and agent a in one mount namespace."""

    def __init__(self):
        self.docker = Dockerd()
        self.cluster = Cluster()

    def start(self):
        self.cluster.add("a", docker_socket=PLUGIN, prefix=self.docker.inside())
        self.cluster.add("b")
        self.cluster.add("c")
        self.cluster.init().start()
        self.docker.start().import_image()

    def close(self):
        self.docker.remove_containers()
        self.docker.stop()
        problems = self.cluster.close()
        self.docker.close()
        return problems


@pytest.fixture(scope="module")
def machine():
    m = Machine()
    try:
        m.start()
        yield m
    finally:
        problems = m.close()
    assert not problems, problems


@pytest.fixture
def volume(machine):
    name = "it-" + uuid.uuid4().hex[:8]
    machine.docker.docker("volume", "create", "--driver", "quoin", "-o", "size=256M", name)
    yield name
    machine.docker.remove_containers()
    machine.docker.docker("volume", "rm", "-f", name, check=False)


def detached(machine, volume):
    a = machine.cluster["a"]
    wait_for("detached", lambda: not a.volume(volume)["attached"], 20)


def test_created_volume_is_listed_and_inspected_with_its_status(machine, volume):
    names = machine.docker.docker("volume", "ls", "-q", "-f", "driver=quoin").stdout.split()
    assert volume in names
    inspected = json.loads(machine.docker.docker("volume", "inspect", volume).stdout)[0]
    assert inspected["Driver"] == "quoin"
    assert inspected["Scope"] == "global"
    assert inspected["Status"]["state"] == "detached"
    assert machine.cluster["b"].volume(volume)["size_bytes"] == 256 << 20


def test_unknown_option_is_an_error_that_names_the_nearest(machine):
    done = machine.docker.docker("volume", "create", "--driver", "quoin", "-o", "sise=1G", "it-bad", check=False)
    assert done.returncode != 0
    assert "size" in done.stderr


def test_new_volume_looks_empty_and_keeps_what_is_written(machine, volume):
    assert machine.docker.run(volume, "ls -A /data").stdout == ""
    machine.docker.run(volume, "echo kept >/data/file && sync")
    detached(machine, volume)
    assert machine.docker.run(volume, "cat /data/file").stdout == "kept\n"


def test_copy_up_of_the_images_content(machine, volume):
    done = machine.docker.docker("run", "--rm", "--network", "none", "-v", f"{volume}:/seed", IMAGE, "/bin/cat",
                                 "/seed/from-image")
    assert done.stdout == "of the image\n"


def test_200_mib_with_a_checksum_survive_the_kill_of_a_replica(machine, volume):
    machine.docker.run(volume, "dd if=/dev/urandom of=/data/f bs=1M count=200 2>/dev/null; md5sum /data/f >/data/sum; sync")
    machine.cluster["c"].kill()
    assert "OK" in machine.docker.run(volume, "md5sum -c /data/sum").stdout
    machine.cluster["c"].start()
    machine.cluster["b"].kill()
    assert "OK" in machine.docker.run(volume, "md5sum -c /data/sum").stdout
    machine.cluster["b"].start()


def test_docker_cp_does_not_unmount_under_a_running_container(machine, volume):
    d = machine.docker
    d.docker("run", "-d", "--network", "none", "--name", "cp", "-v", f"{volume}:/data", IMAGE, "/bin/sleep", "300")
    d.docker("exec", "cp", "/bin/sh", "-c", "echo one >/data/f; sync")
    d.docker("cp", "cp:/data/f", str(d.dir / "copied"))
    assert (d.dir / "copied").read_text() == "one\n"
    assert machine.cluster["a"].volume(volume)["attached"]["mountpoint"]
    d.docker("exec", "cp", "/bin/sh", "-c", "echo two >>/data/f; sync; cat /data/f")
    d.docker("rm", "-f", "cp")
    detached(machine, volume)


def test_restart_and_two_containers_share_one_mount(machine, volume):
    d = machine.docker
    for name in ("one", "two"):
        d.docker("run", "-d", "--network", "none", "--name", name, "-v", f"{volume}:/data", IMAGE, "/bin/sleep", "300")
    d.docker("exec", "one", "/bin/sh", "-c", "echo shared >/data/f")
    assert d.docker("exec", "two", "/bin/cat", "/data/f").stdout == "shared\n"
    d.docker("restart", "-t", "0", "one")
    assert d.docker("exec", "one", "/bin/cat", "/data/f").stdout == "shared\n"
    d.docker("rm", "-f", "one")
    assert d.docker("exec", "two", "/bin/cat", "/data/f").stdout == "shared\n"
    d.docker("rm", "-f", "two")
    detached(machine, volume)


def test_a_name_with_options_in_it_is_one_volume_by_both_its_names(machine):
    d, name = machine.docker, "it-" + uuid.uuid4().hex[:8]
    inline = f"size=256M,class=postgres,name={name}"
    try:
        # As Compose and Swarm do it: no volume create before, the driver named with the container.
        for command, said in (("echo kept >/data/f; sync", ""), ("cat /data/f", "kept\n")):
            done = d.docker("run", "--rm", "--network", "none", "--volume-driver", "quoin", "-v", f"{inline}:/data", IMAGE,
                            "/bin/sh", "-c", command)
            assert done.stdout == said
        detached(machine, name)
        seen = machine.cluster["b"].volume(name)
        assert (seen["size_bytes"], seen["class"]) == (256 << 20, "postgres")
        # Its plain name is the same volume, and so is the long one to whoever asks; there is one.
        assert d.run(name, "cat /data/f").stdout == "kept\n"
        assert json.loads(d.docker("volume", "inspect", inline).stdout)[0]["Driver"] == "quoin"
        listed = [v["name"] for v in machine.cluster["a"].get("/v1/volumes")["volumes"]]
        assert listed.count(name) == 1 and not any("=" in v for v in listed)
        # What stands in it is as strict as -o.
        for bad, part in ((f"sise=1G,name={name}", 'did you mean "size"'), (f"size=1G,class=postgre,name={name}-2", "postgre"),
                          ("size=1G,class=postgres", "name"),
                          # Of a volume that is there, too; how large it is can have changed since.
                          (f"class=postgre,name={name}", "exists already, with another class"),
                          (f"fs=xfs,name={name}", "exists already, with another filesystem"),
                          (f"class=postgres,colour=red,name={name}", "colour")):
            done = d.docker("volume", "create", "--driver", "quoin", bad, check=False)
            assert done.returncode != 0 and part in done.stderr, done.stderr
        d.docker("volume", "create", "--driver", "quoin", f"class=postgres,name={name}")
    finally:
        machine.docker.remove_containers()
        d.docker("volume", "rm", "-f", inline, check=False)
    wait_for("it is gone", lambda: name not in [v["name"] for v in machine.cluster["a"].get("/v1/volumes")["volumes"]])


def test_remove_in_use_is_refused_and_then_removes(machine, volume):
    d = machine.docker
    d.docker("run", "-d", "--network", "none", "--name", "user", "-v", f"{volume}:/data", IMAGE, "/bin/sleep", "300")
    assert d.docker("volume", "rm", volume, check=False).returncode != 0
    done = machine.cluster["a"].cli("volume", "rm", volume, check=False)
    assert done.returncode == 4, done
    assert "in use" in done.stderr + done.stdout
    d.docker("rm", "-f", "user")
    d.docker("volume", "rm", volume)
    assert volume not in d.docker("volume", "ls", "-q").stdout.split()


def test_killed_dockerd_leaves_no_volume_held_for_ever(machine, volume):
    d = machine.docker
    d.docker("run", "-d", "--network", "none", "--name", "k1", "-v", f"{volume}:/data", IMAGE, "/bin/sleep", "300")
    d.docker("exec", "k1", "/bin/sh", "-c", "echo before >/data/f; sync")
    d.kill()
    time.sleep(0.5)
    assert machine.cluster["a"].volume(volume)["attached"]["mountpoint"]
    d.start()
    # The dead container's old ID mounts again, and unmounts once.
    d.docker("start", "k1")
    assert d.docker("exec", "k1", "/bin/cat", "/data/f").stdout == "before\n"
    d.docker("rm", "-f", "k1")
    detached(machine, volume)


def test_dead_container_of_a_killed_dockerd_does_not_stop_a_remove(machine, volume):
    d = machine.docker
    d.docker("run", "-d", "--network", "none", "--name", "k2", "-v", f"{volume}:/data", IMAGE, "/bin/sleep", "300")
    d.kill()
    d.start()
    d.docker("rm", "-f", "k2")  # no Unmount comes
    d.docker("volume", "rm", volume)
    assert volume not in d.docker("volume", "ls", "-q").stdout.split()
