"""Who takes part: how fio reaches each, what is on stable storage when it answers, which processes are its own."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from measure import BUILD, HERE, TOP, BenchError, cpu_seconds, fill, fio, floor

sys.path.insert(0, str(TOP / "tests/integration"))
from cluster import Cluster, wait_for  # noqa: E402


class Contender:
    name = "?"
    durable = "?"

    def __init__(self, args):
        self.args = args

    def begin(self):
        """Ready to be measured, its area filled."""

    def end(self):
        """Everything of it is gone."""

    def words(self):
        raise NotImplementedError

    def pids(self):
        return []

    def takes(self, load):
        return True

    def run(self, load):
        before = cpu_seconds(self.pids())
        figures = fio(self.words(), load, self.args.seconds, self.args.size_mib)
        spent = cpu_seconds(self.pids()) - before
        if self.pids() and figures["iops"]:
            # The second of fio's ramp is in the processes' time, not in its figures.
            figures["cpu_us"] = spent / (figures["iops"] * (self.args.seconds + 1)) * 1e6
        return figures


class Raw(Contender):
    name = "raw"
    durable = "nothing: direct I/O, no flush"
    sync = ()

    def begin(self):
        self.dir = tempfile.mkdtemp(prefix="quoin-bench-raw-", dir=self.args.dir)
        fill(self.words(), self.args.size_mib)

    def end(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def words(self):
        return [f"--filename={self.dir}/file", "--direct=1", "--ioengine=io_uring", *self.sync]


class RawDurable(Raw):
    name = "raw-dsync"
    durable = "each write (O_DSYNC), one copy"
    sync = ("--sync=dsync",)

    def takes(self, load):
        return load.side == "write"


class RawNbd(Raw):
    """The same file through QEMU's NBD server: what NBD and fio's client of it cost by themselves."""

    name = "raw-nbd"
    server = None

    def begin(self):
        if not shutil.which("qemu-nbd"):
            raise BenchError("qemu-nbd is missing (apt-get install qemu-utils)")
        super().begin()
        self.server = subprocess.Popen(["qemu-nbd", "-k", f"{self.dir}/socket", "-f", "raw", "--cache=none",
                                        "--aio=io_uring", "-t", "-e", "8", f"{self.dir}/file"])
        wait_for("qemu-nbd's socket", lambda: pathlib.Path(f"{self.dir}/socket").exists(), 10)

    def end(self):
        if self.server:
            self.server.terminate()
            self.server.wait()
        super().end()

    def words(self):
        return super().words() if not self.server else ["--ioengine=nbd", f"--uri=nbd+unix:///?socket={self.dir}/socket"]

    def pids(self):
        return [self.server.pid] if self.server else []


class Floor(Contender):
    name = "floor"
    durable = "nothing: three copies in the device's cache, no flush"
    how = "none"

    def begin(self):
        self.dir = tempfile.mkdtemp(prefix="quoin-bench-floor-", dir=self.args.dir)

    def end(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def takes(self, load):
        return load.rw == "randwrite" and not load.fsync or load.rw == "write"

    def run(self, load):
        return floor(self.dir, load, self.how, self.args.seconds, self.args.size_mib)


class FloorFlush(Floor):
    name = "floor-flush"
    durable = "two of three copies, by a flush that writes share"
    how = "flush"


class QuoinCluster:
    """Three agents, started once for all of Quoin's contenders."""

    def __init__(self, args):
        self.args = args
        self.cluster = None
        self.users = 0

    def enter(self):
        self.users += 1
        if self.cluster:
            return self.cluster
        self.cluster = Cluster(self.args.dir)
        for name in "abc":
            self.cluster.add(name, pool_gib=max(4, self.args.size_mib * 4 // 1024 + 2))
        self.cluster.init().start()
        return self.cluster

    def leave(self):
        self.users -= 1
        if self.users == 0 and self.cluster:
            problems = self.cluster.close()
            self.cluster = None
            if problems:
                raise BenchError(f"left behind: {problems}")

    def pids(self):
        return [agent.process.pid for agent in self.cluster.agents.values() if agent.process]


class Quoin(Contender):
    durable = "two of three copies, on stable storage"
    volume = "?"

    def __init__(self, args, cluster):
        super().__init__(args)
        self.cluster = cluster
        self.target = None

    def attach(self, agent):
        raise NotImplementedError

    def begin(self):
        agent = self.cluster.enter()["a"]
        agent.create(self.volume, size=f"{max(64, self.args.size_mib)}M")
        self.target = self.attach(agent)
        fill(self.words(), self.args.size_mib)
        self.all_complete()

    def end(self):
        try:
            agent = self.cluster.cluster["a"]
            agent.detach(self.volume)
            agent.remove(self.volume)
        finally:
            self.cluster.leave()

    def all_complete(self, seconds=300):
        agent = self.cluster.cluster["a"]
        wait_for("three complete replicas", lambda: all(
            r["state"] == "complete" for r in agent.volume(self.volume)["replicas"]), seconds)

    def pids(self):
        return self.cluster.pids()


class QuoinNbd(Quoin):
    name = "quoin-nbd"
    volume = "bench-nbd"

    def attach(self, agent):
        return agent.request("POST", f"/v1/volumes/{self.volume}/serve-nbd", {})["volume"]["attached"]["device"]

    def words(self):
        return ["--ioengine=nbd", f"--uri=nbd+unix:///{self.volume}?socket={self.target}"]


class QuoinDevice(Quoin):
    name = "quoin-device"
    volume = "bench-device"

    def attach(self, agent):
        return agent.attach(self.volume)

    def words(self):
        return [f"--filename={self.target}", "--direct=1", "--ioengine=io_uring"]


class Peer(Contender):
    """Another storage system, set up and torn down by peers/NAME: `up`, `down`, `words` and `env` for fio, `pids`."""

    def __init__(self, args, name, durable):
        super().__init__(args)
        self.name = name
        self.durable = durable
        self.script = HERE / "peers" / name
        self.dir = None

    def call(self, *words, timeout=600):
        done = subprocess.run([str(self.script), *words, self.dir], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False, timeout=timeout)
        if done.returncode != 0:
            raise BenchError(f"{self.name} {words[0]}: {done.stderr.strip()[-2000:]}")
        return done.stdout.split()

    def begin(self):
        self.dir = tempfile.mkdtemp(prefix=f"quoin-bench-{self.name}-", dir=self.args.dir)
        self.call("up")
        os.environ.update(word.split("=", 1) for word in self.call("env"))
        fill(self.words(), self.args.size_mib)

    def end(self):
        if self.dir:
            self.call("down")
            shutil.rmtree(self.dir, ignore_errors=True)

    def words(self):
        return self.call("words")

    def pids(self):
        return [int(pid) for pid in self.call("pids")]


PEERS = {
    "gluster": "nothing: three copies in the nodes' caches, no flush",
    "ceph": "three copies, each flushed (BlueStore), before the answer",
}


def make(args):
    cluster = QuoinCluster(args)
    found = [Raw(args), RawDurable(args), RawNbd(args), Floor(args), FloorFlush(args), QuoinNbd(args, cluster),
             QuoinDevice(args, cluster)]
    found += [Peer(args, name, PEERS[name]) for name in args.peers]
    if args.only:
        found = [c for c in found if c.name in args.only]
    return found


# ---- what a replica's trouble does to writes ----

class Trouble:
    """A state of the cluster in which writes through NBD are measured, beside the healthy one."""

    def __init__(self, quoin):
        self.quoin = quoin

    def cluster(self):
        return self.quoin.cluster.cluster


class ReplicaDead(Trouble):
    name = "one replica dead"

    def begin(self):
        self.cluster()["c"].kill()

    def end(self):
        self.cluster()["c"].start()
        self.quoin.all_complete()


class ReplicaSlow(Trouble):
    """A remote replica whose every write takes 5 ms more."""

    name = "one replica slow (5 ms)"

    def restart(self, change):
        agent = self.cluster()["c"]
        agent.stop()
        agent.config.write_text(change(agent.config.read_text()))
        agent.start()
        self.quoin.all_complete()

    def begin(self):
        self.restart(lambda text: text.replace("[pool p]\n", "[pool p]\nfaults = delay:write=5ms\n"))

    def end(self):
        self.restart(lambda text: text.replace("faults = delay:write=5ms\n", ""))


class ReplicaResyncs(Trouble):
    """One that was away for longer than the window keeps, and is copied to while the load runs."""

    name = "one replica resyncing"

    def begin(self):
        agent = self.cluster()["c"]
        agent.kill()
        fill(self.quoin.words(), self.quoin.args.size_mib)
        agent.start()
        time.sleep(0.5)

    def end(self):
        self.quoin.all_complete()


TROUBLES = (ReplicaDead, ReplicaSlow, ReplicaResyncs)


def check_tools(args):
    for tool in ("fio",):
        if not shutil.which(tool):
            raise BenchError(f"{tool} is missing (apt-get install {tool})")
    for binary in ("tests/bench/floor", "src/agent/quoind"):
        path = BUILD / binary
        if not os.access(path, os.X_OK):
            raise BenchError(f"{path} is missing: build first")
    for name in args.peers:
        if name not in PEERS:
            raise BenchError(f"there is no peer {name!r}; there are: {', '.join(PEERS)}")
    if os.geteuid() != 0:
        raise BenchError("root is needed: volumes are attached")
