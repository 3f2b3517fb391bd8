"""Agents in network namespaces of their own, joined by a bridge: their network, and the kvdb, can be cut one by one.

All agents use one kvdb file of this machine, which no network cut reaches. So a node is cut off from it separately:
kvcut.c makes that agent's locks on the file fail, and a stop of the whole kvdb is an exclusive lock that is held.
"""

import http.client
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from cluster import Agent, ApiError, Cluster, UnixConnection, wait_for  # noqa: E402


def run(*words, check=True):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done


class Network:
    """A namespace for each node, and one for the bridge between them."""

    def __init__(self, names):
        self.tag = f"qn{os.getpid()}"
        self.names = list(names)
        self.hub = f"{self.tag}-hub"
        self.made = []
        self.namespace(self.hub)
        self.ip(self.hub, "link", "add", "br0", "type", "bridge")
        self.ip(self.hub, "link", "set", "br0", "up")
        for name in self.names:
            self.namespace(self.of(name))
            run("ip", "link", "add", "eth0", "netns", self.of(name), "type", "veth", "peer", "name", f"v{name}",
                "netns", self.hub)
            self.ip(self.hub, "link", "set", f"v{name}", "master", "br0", "up")
            self.ip(self.of(name), "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
            self.ip(self.of(name), "link", "set", "eth0", "up")

    def namespace(self, name):
        run("ip", "netns", "add", name)
        self.made.append(name)
        self.ip(name, "link", "set", "lo", "up")

    def ip(self, namespace, *words):
        run("ip", "-n", namespace, *words)

    def of(self, name):
        return f"{self.tag}-{name}"

    def address(self, name):
        return f"10.77.0.{self.names.index(name) + 1}"

    def prefix(self, name):
        return ["nsenter", f"--net=/run/netns/{self.of(name)}"]

    def tables(self, name, *words, check=True):
        run(*self.prefix(name), "iptables", "-w", *words, check=check)

    def cut(self, source, target):
        """One way: nothing of source arrives at target."""
        self.tables(target, "-A", "INPUT", "-s", self.address(source), "-j", "DROP")

    def heal(self, source, target):
        self.tables(target, "-D", "INPUT", "-s", self.address(source), "-j", "DROP", check=False)

    def isolate(self, name):
        """Nothing arrives, nothing leaves."""
        self.tables(name, "-A", "INPUT", "-i", "eth0", "-j", "DROP")
        self.tables(name, "-A", "OUTPUT", "-o", "eth0", "-j", "DROP")

    def join(self, name):
        self.tables(name, "-D", "INPUT", "-i", "eth0", "-j", "DROP", check=False)
        self.tables(name, "-D", "OUTPUT", "-o", "eth0", "-j", "DROP", check=False)

    def close(self):
        for name in reversed(self.made):
            run("ip", "netns", "del", name, check=False)
        self.made = []


class LabAgent(Agent):
    def __init__(self, cluster, name, **how):
        network = cluster.network
        self.cut_flag = cluster.dir / f"kvcut-{name}"
        self.docker = cluster.dir / f"{name}.docker.sock"
        super().__init__(cluster, name, docker_socket=self.docker, prefix=network.prefix(name),
                         address=network.address(name), port=7420,
                         env={"LD_PRELOAD": str(cluster.kvcut), "QUOIN_KVCUT": str(self.cut_flag)}, **how)

    def kvdb_cut(self):
        self.cut_flag.touch()

    def kvdb_join(self):
        self.cut_flag.unlink(missing_ok=True)

    def plugin(self, verb, body, timeout=70):
        """A call of the Docker plugin; its words where it fails."""
        connection = UnixConnection(str(self.docker), timeout)
        try:
            connection.request("POST", f"/VolumeDriver.{verb}", json.dumps(body))
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer.get("Err"):
            raise ApiError(500, answer["Err"])
        return answer

    def mount(self, name, mount_id, timeout=70):
        return self.plugin("Mount", {"Name": name, "ID": mount_id}, timeout)["Mountpoint"]

    def unmount(self, name, mount_id):
        return self.plugin("Unmount", {"Name": name, "ID": mount_id}, 35)


class Lab(Cluster):
    def __init__(self, names="abc", pool_gib=4):
        super().__init__()
        self.kvcut = self.dir / "kvcut.so"
        run("cc", "-shared", "-fPIC", "-O1", "-o", str(self.kvcut), str(HERE / "kvcut.c"), "-ldl")
        self.network = Network(names)
        self.kvdb_lock = None
        try:
            for name in names:
                self.agents[name] = LabAgent(self, name, pool_gib=pool_gib)
            self.init().start()
        except BaseException:
            self.close()
            raise

    def kvdb_stop(self):
        """Held by somebody else: nobody writes, no lease is renewed, nothing can be changed."""
        self.kvdb_lock = sqlite3.connect(self.dir / "kvdb.sqlite", isolation_level=None, timeout=10,
                                         check_same_thread=False)
        self.kvdb_lock.execute("BEGIN EXCLUSIVE")

    def kvdb_start(self):
        if self.kvdb_lock:
            self.kvdb_lock.execute("ROLLBACK")
            self.kvdb_lock.close()
            self.kvdb_lock = None

    def heal_all(self):
        self.kvdb_start()
        for agent in self.agents.values():
            agent.kvdb_join()
            self.network.tables(agent.name, "-F", check=False)
            if agent.process:
                agent.resume()

    def close(self):
        self.heal_all()
        problems = super().close()
        self.network.close()
        return problems
