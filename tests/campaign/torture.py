#!/usr/bin/python3
"""What a filesystem asks of a device, for long, while snapshots come and go.

    torture.py [--seconds N] [--seed N] [--filesystem ext4|xfs] [--file-mib N]

A mounted volume has one file, of which memory knows each byte: writes, appends, truncations, holes, zeroed ranges,
copies, writes through mmap, syncs and reopenings at random places; reads are compared, some with the page cache
dropped before. Another volume is written and verified by fio. Both have a snapshot every few seconds, and at most
KEPT of them. Some of the mounted one's are read again before they are removed, on another node: a snapshot that was
taken with --freeze is, byte for byte, what the file was then. In the end the filesystem is checked, the agents are
stopped, and their pools checked. Exit code 1 where anything differed.
"""

import argparse
import ctypes
import json
import mmap
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from cluster import QUOIND, Cluster  # noqa: E402

QUOIN_POOL = QUOIND.parent.parent / "tools" / "quoin-pool"
MIB = 1 << 20
KEPT = 6
PUNCH, ZERO, KEEP_SIZE = 2, 16, 1  # fallocate(2)


class Differs(Exception):
    pass


def fallocate(fd, mode, offset, length):
    """os.posix_fallocate() has no mode."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


class TorturedFile:
    """A file, and what it must hold."""

    def __init__(self, path, most, chance):
        self.path, self.most, self.chance = path, most, chance
        self.model = bytearray()
        self.done = {}
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)

    def some_range(self, end):
        """Half of them are aligned, as a filesystem's own are."""
        offset = self.chance.randrange(max(1, end))
        length = self.chance.choice((1, 511, 4096, 65536, 1 << 18))
        length = self.chance.randrange(1, length + 1)
        if self.chance.random() < 0.5:
            offset, length = offset // 4096 * 4096, (length + 4095) // 4096 * 4096
        return offset, length

    def grow(self, end):
        if end > len(self.model):
            self.model.extend(bytes(end - len(self.model)))

    def put(self, offset, data):
        self.grow(offset + len(data))
        self.model[offset:offset + len(data)] = data

    def write(self):
        offset, length = self.some_range(self.most)
        data = self.chance.randbytes(min(length, self.most - offset))
        os.pwrite(self.fd, data, offset)
        self.put(offset, data)

    def append(self):
        data = self.chance.randbytes(self.chance.randrange(1, 9000))
        if len(self.model) + len(data) <= self.most:
            os.pwrite(self.fd, data, len(self.model))
            self.put(len(self.model), data)

    def truncate(self):
        end = self.chance.randrange(self.most)
        os.ftruncate(self.fd, end)
        if end < len(self.model):
            del self.model[end:]
        else:
            self.grow(end)

    def punch(self):
        offset, length = self.some_range(len(self.model))
        fallocate(self.fd, PUNCH | KEEP_SIZE, offset, length)
        end = min(offset + length, len(self.model))
        self.model[offset:end] = bytes(max(0, end - offset))

    def zero(self):
        offset, length = self.some_range(self.most)
        length = min(length, self.most - offset)
        fallocate(self.fd, ZERO, offset, length)
        self.put(offset, bytes(length))

    def copy(self):
        if len(self.model) < 2:
            return
        offset, length = self.some_range(len(self.model))
        to = self.chance.randrange(self.most)
        length = min(length, len(self.model) - offset, self.most - to)
        if offset < to + length and to < offset + length:
            return
        done = os.copy_file_range(self.fd, self.fd, length, offset, to)
        self.put(to, bytes(self.model[offset:offset + done]))

    def map_write(self):
        if not self.model:
            return
        offset, length = self.some_range(len(self.model))
        data = self.chance.randbytes(min(length, len(self.model) - offset))
        with mmap.mmap(self.fd, len(self.model)) as memory:
            memory[offset:offset + len(data)] = data
        self.put(offset, data)

    def read(self):
        offset, length = self.some_range(len(self.model))
        found = os.pread(self.fd, length, offset)
        self.compare(found, self.model[offset:offset + length], offset, "the file")

    def read_anew(self):
        """From the device: what is written is dropped from the page cache."""
        os.fsync(self.fd)
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)
        self.whole(self.path, self.model, "the file, read anew")

    def sync(self):
        os.fsync(self.fd)

    def reopen(self):
        os.close(self.fd)
        self.fd = os.open(self.path, os.O_RDWR)

    @staticmethod
    def compare(found, wanted, offset, what):
        if found == wanted:
            return
        at = next((i for i in range(min(len(found), len(wanted))) if found[i] != wanted[i]), min(len(found), len(wanted)))
        raise Differs(f"{what} differs at byte {offset + at}: {len(found)} bytes were read, {len(wanted)} wanted")

    @classmethod
    def whole(cls, path, wanted, what):
        with open(path, "rb") as f:
            cls.compare(f.read(), wanted, 0, what)

    OPERATIONS = [("write", 30), ("append", 8), ("truncate", 2), ("punch", 8), ("zero", 6), ("copy", 6), ("map_write", 10),
                  ("read", 20), ("read_anew", 1), ("sync", 4), ("reopen", 2)]

    def step(self):
        name = self.chance.choices([n for n, _ in self.OPERATIONS], [w for _, w in self.OPERATIONS])[0]
        getattr(self, name)()
        self.done[name] = self.done.get(name, 0) + 1


class Snapshots(threading.Thread):
    """Of the volume that fio writes: made and removed in no order."""

    def __init__(self, agent, volume, chance):
        super().__init__()
        self.agent, self.volume, self.chance = agent, volume, chance
        self.stopping = threading.Event()
        self.there, self.made, self.problem = [], 0, None

    def run(self):
        try:
            while not self.stopping.wait(self.chance.uniform(0.5, 4)):
                self.made += 1
                self.agent.cli("snapshot", "create", f"{self.volume}@s{self.made}")
                self.there.append(self.made)
                while len(self.there) > self.chance.randrange(1, KEPT + 1):
                    self.agent.cli("snapshot", "rm", f"{self.volume}@s{self.there.pop(self.chance.randrange(len(self.there)))}")
        except Exception as error:  # told in the end
            self.problem = error


class Torture:
    def __init__(self, options):
        self.options = options
        self.chance = random.Random(options.seed)
        self.cluster = Cluster()
        for node in "abc":
            self.cluster.add(node, zone=node, pool_gib=8, docker_socket=self.cluster.dir / f"docker-{node}.sock")
        self.volume, self.other = f"torture-{options.seed}", f"torture-fio-{options.seed}"
        self.file = self.fio = self.snapshots = None
        self.frozen = {}  # number: the file's bytes
        self.made = self.compared = 0

    def begin(self):
        self.cluster.init().start()
        a = self.cluster["a"]
        a.create(self.volume, size="1G", fs=self.options.filesystem)
        a.create(self.other, size="512M")
        path = a.plugin("Mount", Name=self.volume, ID="torture")["Mountpoint"]
        self.file = TorturedFile(os.path.join(path, "file"), self.options.file_mib * MIB, self.chance)
        self.device = a.attach(self.other)
        self.fio = subprocess.Popen(
            ["fio", "--name=f", f"--filename={self.device}", "--rw=randrw", "--rwmixread=30", "--bs=4k-64k", "--direct=1",
             "--ioengine=libaio", "--iodepth=8", "--rate=12m", "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=512", "--time_based",
             f"--runtime={self.options.seconds}", f"--randseed={self.options.seed}", "--output-format=json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.snapshots = Snapshots(a, self.other, random.Random(self.options.seed + 1))
        self.snapshots.start()

    def snapshot(self):
        self.made += 1
        self.file.sync()
        self.cluster["a"].cli("snapshot", "create", f"{self.volume}@t{self.made}", "--freeze")
        self.frozen[self.made] = bytes(self.file.model)
        while len(self.frozen) > KEPT:
            victim = self.chance.choice(list(self.frozen))
            if self.chance.random() < 0.5:
                self.look_at(victim)
            self.cluster["a"].cli("snapshot", "rm", f"{self.volume}@t{victim}")
            del self.frozen[victim]

    def look_at(self, number):
        agent = self.cluster[self.chance.choice("bc")]
        named = f"{self.volume}@t{number}"
        said = json.loads(agent.cli("volume", "attach", named, "--json").stdout)
        how = "ro,nouuid,norecovery" if self.options.filesystem == "xfs" else "ro,noload"
        with tempfile.TemporaryDirectory() as where:
            subprocess.run(["mount", "-o", how, os.path.realpath(said["snapshot"]["device"]), where], check=True, timeout=60)
            try:
                TorturedFile.whole(os.path.join(where, "file"), self.frozen[number], named)
            finally:
                subprocess.run(["umount", where], check=True, timeout=60)
        agent.cli("volume", "detach", named)
        self.compared += 1

    def run(self):
        end = time.monotonic() + self.options.seconds
        next_snapshot = next_line = time.monotonic()
        while time.monotonic() < end:
            for _ in range(20):
                self.file.step()
            if time.monotonic() >= next_snapshot:
                self.snapshot()
                next_snapshot = time.monotonic() + self.chance.uniform(1, 5)
            if time.monotonic() >= next_line:
                print(f"{max(0, end - time.monotonic()):.0f} s left, {sum(self.file.done.values())} operations, "
                      f"{self.made + self.snapshots.made} snapshots", flush=True)
                next_line = time.monotonic() + 60
        self.file.read_anew()

    def fio_end(self, early):
        """Its problems, in words."""
        if early:
            self.fio.terminate()
        self.snapshots.stopping.set()
        self.snapshots.join(120)
        out, _ = self.fio.communicate(timeout=180)
        problems = [f"snapshots of {self.other}: {self.snapshots.problem}"] if self.snapshots.problem else []
        if early:
            return problems
        if self.fio.returncode != 0:
            problems.append(f"fio: exit code {self.fio.returncode}: {out[-400:]}")
        else:
            job = json.loads(out[out.index("{"):])["jobs"][0]
            self.fio_mib = (job["write"]["io_bytes"] + job["read"]["io_bytes"]) // MIB
        return problems

    def check(self):
        """The filesystem, then the pools: what isn't clean."""
        a = self.cluster["a"]
        os.close(self.file.fd)
        a.plugin("Unmount", Name=self.volume, ID="torture")
        device = a.attach(self.volume)
        words = ["xfs_repair", "-n"] if self.options.filesystem == "xfs" else ["e2fsck", "-fn"]
        done = subprocess.run([*words, device], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        problems = [f"{' '.join(words)}: {done.stdout}{done.stderr}"] if done.returncode else []
        for name in (self.volume, self.other):
            a.detach(name)
        pools = []
        for agent in self.cluster.agents.values():
            agent.stop()
            pools.append(pathlib.Path(self.cluster.dir) / agent.name / "pool")
        for pool in pools:
            done = subprocess.run([str(QUOIN_POOL), "check", str(pool)], capture_output=True, text=True, timeout=600)
            if done.returncode:
                problems.append(f"quoin-pool check {pool}: {done.stdout}{done.stderr}")
        return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--filesystem", choices=("ext4", "xfs"), default="ext4")
    parser.add_argument("--file-mib", type=int, default=24)
    torture = Torture(parser.parse_args())
    problems = []
    try:
        torture.begin()
        try:
            torture.run()
        except (Differs, OSError, AssertionError, subprocess.SubprocessError) as error:
            problems.append(f"{type(error).__name__}: {error}")
        problems += torture.fio_end(early=bool(problems))
        problems += torture.check()
    finally:
        if problems:
            os.environ["QUOIN_KEEP"] = "1"
        problems += torture.cluster.close()
    for problem in problems:
        print(problem, file=sys.stderr)
    counts = ", ".join(f"{n} {name}" for name, n in sorted(torture.file.done.items()))
    print(f"operations {sum(torture.file.done.values())} ({counts}); fio {getattr(torture, 'fio_mib', 0)} MiB; snapshots "
          f"{torture.made + torture.snapshots.made}, {torture.compared} of {torture.made} compared; problems {len(problems)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
