"""What Quoin is made to carry, and the small cluster that each is compared with: three agents each, pools in sparse files."""

import os
import pathlib
import random
import subprocess
import sys
import threading
import time

from measure import BUILD, TOP, BenchError, fill, fio

sys.path.insert(0, str(TOP / "tests/integration"))
from blockio import aligned, open_direct  # noqa: E402
from cluster import Cluster, wait_for  # noqa: E402

GRAIN = 65536
BLOCK = 4096
PROBE = "probe"
PROBE_MIB = 64


def run_all(work, jobs, threads=8):
    """work(job) for each; the first failure is raised."""
    left, failures = list(reversed(list(jobs))), []

    def take():
        while left and not failures:
            try:
                work(left.pop())
            except IndexError:
                return
            except Exception as why:  # it is raised below, in the caller's thread
                failures.append(why)

    workers = [threading.Thread(target=take) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]


class State:
    """A cluster with one volume of 64 MiB, through NBD, that is measured."""

    name = "small"
    pool_gib = 4

    def __init__(self, args):
        self.args = args
        self.cluster = None
        self.agent = None
        self.socket = None

    def begin(self):
        self.cluster = Cluster(self.args.dir)
        for name in "abc":
            self.cluster.add(name, pool_gib=self.pool_gib)
        # Where the journal is large, it takes a while until it is written once.
        self.cluster.init().start(seconds=180)
        self.agent = self.cluster["a"]
        self.grow()
        self.agent.create(PROBE, size=f"{PROBE_MIB}M")
        self.serve()
        fill(self.words(), PROBE_MIB)
        self.complete()

    def grow(self):
        """What makes this state what it is, before there is the volume that is measured."""

    def serve(self):
        answer = self.agent.request("POST", f"/v1/volumes/{PROBE}/serve-nbd", {})
        self.socket = answer["volume"]["attached"]["device"]

    def complete(self):
        wait_for("three complete replicas", lambda: all(
            r["state"] == "complete" for r in self.agent.volume(PROBE)["replicas"]), 300)

    def words(self):
        return ["--ioengine=nbd", f"--uri=nbd+unix:///{PROBE}?socket={self.socket}"]

    def run(self, load):
        return fio(self.words(), load, self.args.seconds, PROBE_MIB)

    def pids(self):
        return [agent.process.pid for agent in self.cluster.agents.values()]

    def shrink(self):
        """What would outlive the agents is taken away."""

    def end(self):
        if not self.cluster:
            return
        try:
            if self.socket:
                self.agent.detach(PROBE)
                self.shrink()
        finally:
            problems = self.cluster.close()
            self.cluster = None
        if problems:
            raise BenchError(f"left behind: {problems}")


class ManyVolumes(State):
    """Volumes of 64 MiB, some of them attached and idle."""

    def __init__(self, args, volumes=1000, attached=100):
        super().__init__(args)
        self.volumes, self.attached = volumes, attached
        self.name = f"{volumes} volumes, {attached} attached"
        # Each replica has a share of 1 MiB of the journal, which is 1/512 of the pool.
        self.pool_gib = max(4, (volumes + 2) // 2 + 1)

    def idle(self):
        return [f"idle-{i:04}" for i in range(self.volumes)]

    def grow(self):
        run_all(lambda name: self.agent.create(name, size="64M"), self.idle())
        run_all(self.agent.attach, self.idle()[:self.attached], threads=4)

    def shrink(self):
        run_all(self.agent.detach, self.idle()[:self.attached], threads=4)


class Growing(State):
    """The measured volume first, then more and more beside it; a tenth of them served by NBD, idle."""

    def __init__(self, args, most=1000):
        super().__init__(args)
        self.name = f"growing to {most} volumes"
        self.pool_gib = max(4, (most + 2) // 2 + 1)
        self.made = self.served = 0

    def grow_to(self, volumes):
        """How long it took to make them, in seconds."""
        began = time.monotonic()
        run_all(lambda i: self.agent.create(f"idle-{i:04}", size="64M"), range(self.made, volumes))
        self.made = volumes
        spent = time.monotonic() - began
        self.attach_to(volumes // 10)
        self.name = f"{volumes} volumes, {self.served} attached"
        return spent

    def attach_to(self, volumes):
        began = time.monotonic()
        run_all(lambda i: self.agent.request("POST", f"/v1/volumes/idle-{i:04}/serve-nbd", {}),
                range(self.served, volumes), threads=4)
        self.served = max(self.served, volumes)
        return time.monotonic() - began


class BigMap(State):
    """Pools of 1 TiB with many grains of replicas that nobody asks for; no more than a class lets be taken (95 %)."""

    def __init__(self, args):
        super().__init__(args)
        self.grains = args.grains
        self.name = f"map of {args.grains} grains"

    def grow(self):
        for agent in self.cluster.agents.values():
            agent.stop()
            full = agent.pool.with_suffix(".full")
            subprocess.run([str(BUILD / "tests/bench/big_pool"), "make", str(full), "--size-gib", "1024",
                            "--journal-mib", "64", "--like", str(agent.pool), "--grains", str(self.grains), "--replicas", "16"], check=True, stdin=subprocess.DEVNULL)
            full.rename(agent.pool)
        self.cluster.start(seconds=180)


def write_at(fd, offset, length):
    data = aligned(os.urandom(BLOCK) * (length // BLOCK))
    if os.pwritev(fd, [data], offset) != length:
        raise BenchError(f"a short write of {length} bytes at {offset}")


class Interval:
    """What is written between two snapshots: 4 KiB of each busy grain, and whole grains here and there."""

    BUSY = range(0, 32)
    WHOLE = 8

    def __init__(self, chance):
        self.whole = chance.sample(range(len(self.BUSY), PROBE_MIB * (1 << 20) // GRAIN), self.WHOLE)

    def grains(self):
        return [*self.BUSY, *self.whole]

    def write(self, fd):
        for grain in self.BUSY:
            write_at(fd, grain * GRAIN, BLOCK)
        for grain in self.whole:
            write_at(fd, grain * GRAIN, GRAIN)


class ManySnapshots(State):
    """The measured volume and nine more have snapshots, each with grains of its own."""

    def __init__(self, args, volumes=10, snapshots=300):
        super().__init__(args)
        self.volumes, self.snapshots = volumes, snapshots
        self.name = f"{snapshots} snapshots on each of {volumes}"
        self.pool_gib = 8
        chance = random.Random(1)
        self.intervals = [Interval(chance) for _ in range(snapshots)]
        self.removed = set()

    def begin(self):
        super().begin()
        self.agent.detach(PROBE)
        run_all(self.snapshot_volume, [PROBE] + [f"kept-{i}" for i in range(1, self.volumes)], threads=2)
        self.serve()
        fill(self.words(), PROBE_MIB)
        self.complete()

    def snapshot_volume(self, name):
        if name != PROBE:
            self.agent.create(name, size=f"{PROBE_MIB}M")
        fd = open_direct(self.agent.attach(name))
        try:
            for number, interval in enumerate(self.intervals):
                if name == PROBE:
                    interval.write(fd)
                else:
                    write_at(fd, number * GRAIN, BLOCK)
                self.agent.request("POST", f"/v1/volumes/{name}/snapshots", {"name": f"s{number:03}"})
        finally:
            os.close(fd)
        self.agent.detach(name)

    def remove_middle(self):
        third = self.snapshots // 3
        for number in range(third, 2 * third):
            self.agent.request("DELETE", f"/v1/volumes/{PROBE}/snapshots/s{number:03}")
            self.removed.add(number)

    def probe_grains(self):
        """How many grains the measured volume must take: one for each version that something still names."""
        kept, layer_of, layer = set(), {}, None
        for number in reversed(range(self.snapshots)):
            if number not in self.removed:
                layer = number
            layer_of[number] = layer
        for number, interval in enumerate(self.intervals):
            kept.update((layer_of[number], grain) for grain in interval.grains())
        # The first fill lies in the first snapshot; the fills after it, and all measured writes, in the volume itself.
        every = range(PROBE_MIB * (1 << 20) // GRAIN)
        kept.update((layer_of[0], grain) for grain in every)
        kept.update(("head", grain) for grain in every)
        return len(kept)

    def other_grains(self):
        return (self.volumes - 1) * self.snapshots

    def used_grains(self):
        """Each agent's own pool, as it says itself."""
        return {agent.name: pool["used_bytes"] / GRAIN for agent in self.cluster.agents.values()
                for pool in agent.get("/v1/pools")["pools"] if pool["local"]}


def rss_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise BenchError(f"process {pid} has no VmRSS")
