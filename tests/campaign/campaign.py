#!/usr/bin/python3
"""Agents in network namespaces under random faults: no acknowledged record lost, no mismatch, the longest pause told.

    campaign.py [--seconds N] [--seed N] [--nodes 3]

One volume is mounted and holds a journal (journal.py), another is written and verified by fio; both go wherever they
can be attached. Faults, one or two at a time: kill -9 of an agent, SIGSTOP for 0.1 to 30 s, one-way and full cuts of
the network, cuts of network and kvdb together, stops of the kvdb. The last line sums up; exit code 1 on a violation.
"""

import argparse
import random
import subprocess
import sys
import threading
import time
import uuid

from journal import Promises, Writer, scan
from netlab import ApiError, Lab, wait_for

STUCK_S = 4.0


class Faults(threading.Thread):
    def __init__(self, lab, rng, seconds):
        super().__init__(daemon=True)
        self.lab, self.rng, self.until = lab, rng, time.monotonic() + seconds
        self.counts = {}
        self.busy = set()
        self.lock = threading.Lock()
        self.threads = []
        self.problems = []

    def run(self):
        while time.monotonic() < self.until:
            time.sleep(self.rng.uniform(2, 8))
            for _ in range(2 if self.rng.random() < 0.2 else 1):
                self.begin()
        for thread in self.threads:
            thread.join(90)

    def begin(self):
        kind = self.rng.choice(("kill", "kill", "stop", "stop", "one-way", "isolate", "cut", "kvdb"))
        name = self.rng.choice(sorted(self.lab.agents))
        other = self.rng.choice([n for n in sorted(self.lab.agents) if n != name])
        seconds = 0.1 * 300 ** self.rng.random() if kind == "stop" else self.rng.uniform(0.5, 15)
        with self.lock:
            what = "kvdb" if kind == "kvdb" else name
            if what in self.busy:
                return
            self.busy.add(what)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        print(f"{time.strftime('%T')} {kind} {name if kind != 'kvdb' else ''}"
              f"{' -> ' + other if kind == 'one-way' else ''} {seconds:.1f} s", flush=True)
        thread = threading.Thread(target=self.inflict, args=(kind, name, other, seconds, what), daemon=True)
        self.threads.append(thread)
        thread.start()

    def inflict(self, kind, name, other, seconds, what):
        agent, network = self.lab[name], self.lab.network
        try:
            if kind == "kill":
                agent.kill()
                time.sleep(seconds)
                agent.start(ready=False)
            elif kind == "stop":
                agent.pause()
                time.sleep(seconds)
                agent.resume()
            elif kind == "one-way":
                network.cut(name, other)
                time.sleep(seconds)
                network.heal(name, other)
            elif kind == "kvdb":
                self.lab.kvdb_stop()
                time.sleep(seconds)
                self.lab.kvdb_start()
            else:
                network.isolate(name)
                if kind == "cut":
                    agent.kvdb_cut()
                time.sleep(seconds)
                network.join(name)
                agent.kvdb_join()
        except Exception as e:  # pylint: disable=broad-except
            self.problems.append(f"{kind} {name}: {e!r}")
        finally:
            with self.lock:
                self.busy.discard(what)


class Application(threading.Thread):
    """Keeps a volume in use: on the node where it is, else on the first that can have it."""

    def __init__(self, lab, volume, rng):
        super().__init__(daemon=True)
        self.lab, self.volume, self.rng = lab, volume, rng
        self.stopping = threading.Event()
        self.moves = -1
        self.stale = []  # (agent, mount ID) that Docker would take back

    def somewhere(self, attempt):
        """attempt(agent) until one succeeds."""
        while not self.stopping.is_set():
            names = sorted(self.lab.agents)
            self.rng.shuffle(names)
            for name in names:
                try:
                    result = attempt(self.lab[name])
                    self.moves += 1
                    return name, result
                except (ApiError, OSError, ValueError):
                    time.sleep(0.1)
                if self.stopping.is_set():
                    break
        return None, None

    def take_back(self):
        for entry in list(self.stale):
            try:
                entry[0].unmount(self.volume, entry[1])
                self.stale.remove(entry)
            except (ApiError, OSError, ValueError):
                pass


class JournalApplication(Application):
    def __init__(self, lab, volume, rng):
        super().__init__(lab, volume, rng)
        self.promises = Promises()
        self.writers = 0
        self.failures = 0

    def run(self):
        while not self.stopping.is_set():
            mount_id = str(uuid.uuid4())
            name, mountpoint = self.somewhere(lambda agent: agent.mount(self.volume, mount_id, timeout=20))
            if not name:
                return
            self.take_back()
            self.writers += 1
            writer = Writer(self.promises, mountpoint, self.writers)
            writer.start()
            while writer.is_alive() and not self.stopping.is_set():
                # The node may be gone for good, its device waiting: somebody else is asked meanwhile.
                if time.monotonic() - writer.moved > 8 * STUCK_S:
                    break
                writer.join(0.2)
            writer.stopping.set()
            if writer.failed:
                self.failures += 1
            self.stale.append((self.lab[name], mount_id))


class FioApplication(Application):
    def __init__(self, lab, volume, rng):
        super().__init__(lab, volume, rng)
        self.bursts = self.interrupted = 0
        self.problems = []
        self.process = None

    def device(self, agent):
        here = agent.device_here(self.volume)
        return here or agent.attach(self.volume)

    def run(self):
        while not self.stopping.is_set():
            name, device = self.somewhere(self.device)
            if not name:
                return
            while not self.stopping.is_set() and self.burst(device):
                pass

    def burst(self, device):
        self.process = subprocess.Popen(
            ["fio", "--name=f", f"--filename={device}", "--rw=randrw", "--bs=4k-64k", "--direct=1", "--ioengine=libaio",
             "--iodepth=8", "--size=128M", "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=128",
             "--verify_state_save=0", "--time_based", "--runtime=8", "--rate_iops=100,100"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        out = self.process.communicate()[0]
        if self.process.returncode == 0:
            self.bursts += 1
            return True
        self.interrupted += 1
        low = out.lower()
        if "verify failed" in low or "verify: bad" in low or "bad magic" in low:
            self.problems.append(out[-1500:])
        return False


def settle(lab, volumes):
    lab.heal_all()
    for agent in lab.agents.values():
        if not agent.process:
            agent.start(ready=False)
    for agent in lab.agents.values():
        agent.wait_ready(90)


def last_look(lab, volume, promises):
    """From each node in turn, its own replica read first."""
    for agent in lab.agents.values():
        for other in lab.agents.values():
            view = other.volume(volume)["attached"]
            for entry in promises.stale:
                try:
                    entry[0].unmount(volume, entry[1])
                except (ApiError, OSError):
                    pass
            if not view:
                break
        wait_for(f"{volume} is free", lambda: not agent.holder(volume), 60)
        mountpoint = agent.mount(volume, "last")
        found, _ = scan(f"{mountpoint}/journal")
        promises.promises.check(found, f"at the end, on {agent.name}")
        agent.unmount(volume, "last")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--nodes", type=int, default=3)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    rng = random.Random(options.seed)
    lab = Lab("abcde"[:options.nodes], pool_gib=3)
    tag = uuid.uuid4().hex[:6]
    problems = []
    try:
        lab["a"].create(f"cj-{tag}", size="1G")
        lab["b"].create(f"cf-{tag}", size="256M")
        journal = JournalApplication(lab, f"cj-{tag}", random.Random(options.seed + 1))
        fio = FioApplication(lab, f"cf-{tag}", random.Random(options.seed + 2))
        journal.start()
        fio.start()
        wait_for("the journal begins", lambda: journal.promises.count > 10, 60)
        faults = Faults(lab, rng, options.seconds)
        began = time.monotonic()
        faults.start()
        faults.join()
        settle(lab, journal)
        count = journal.promises.count
        wait_for("the journal goes on after the faults", lambda: journal.promises.count > count + 20, 90)
        took = time.monotonic() - began
        journal.stopping.set()
        fio.stopping.set()
        journal.join(60)
        fio.join(60)
        last_look(lab, f"cj-{tag}", journal)
        problems = journal.promises.problems + fio.problems + faults.problems
        words = ", ".join(f"{n} {kind}" for kind, n in sorted(faults.counts.items()))
        print(f"campaign seed {options.seed}: {took / 60:.1f} min, {options.nodes} nodes; faults: {words}; "
              f"{journal.promises.count} records acknowledged, moved {journal.moves} times, longest pause "
              f"{journal.promises.longest_pause:.1f} s; fio {fio.bursts} bursts, {fio.interrupted} interrupted; "
              f"violations {len(problems)}", flush=True)
    finally:
        left = lab.close()
    for problem in problems + left:
        print("VIOLATION:", problem)
    return 1 if problems or left else 0


if __name__ == "__main__":
    sys.exit(main())
