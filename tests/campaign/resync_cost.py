#!/usr/bin/python3
"""What a short absence costs: so much data written, so much of it changed while a replica is away.

    resync_cost.py [--written-mib N] [--changed-mib N] [--chunk-kib N] [--seed N]

The changes are whole chunks, aligned, at random places. A 4 KiB random write load, one at a time, runs before the
replica returns and while it is resynced. Told are the bytes copied over the bytes changed, the bytes of maps beside
them, and the load's p99 during the resync over that before. Exit code 1 where more than 1.2 times the changed bytes
was copied or the p99 more than doubled.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time

from netlab import Lab, wait_for

MIB = 1 << 20
LOAD_MIB = 8  # where the load writes: what it changes while the replica is away is counted as changed
GOAL_COPIED, GOAL_P99 = 1.2, 2.0


class Load:
    """fio's 4 KiB random writes, one in flight, over the first MiB of the device, and their completion latencies."""

    def __init__(self, device):
        self.out = tempfile.NamedTemporaryFile("r", suffix=".json")
        self.process = subprocess.Popen(
            ["fio", "--name=load", f"--filename={device}", f"--size={LOAD_MIB}M", "--rw=randwrite", "--bs=4k",
             "--iodepth=1", "--ioengine=libaio", "--direct=1", "--time_based", "--runtime=600", "--output-format=json",
             f"--output={self.out.name}"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()  # fio ends its jobs and reports
        self.process.wait(30)
        text = self.out.read()
        clat = json.loads(text[text.index("{"):])["jobs"][0]["write"]["clat_ns"]
        return {"count": clat["N"], "p50_us": clat["percentile"]["50.000000"] / 1000,
                "p99_us": clat["percentile"]["99.000000"] / 1000}


def replica(agent, name, node):
    return next(r for r in agent.volume(name)["replicas"] if r["node"] == node)


def fill(device, mib):
    began = time.monotonic()
    data = os.urandom(MIB)
    fd = os.open(device, os.O_WRONLY)
    try:
        for at in range(mib):
            os.pwrite(fd, at.to_bytes(8, "little") + data[8:], at * MIB)
            if at % 1024 == 1023:
                print(f"{at + 1} of {mib} MiB written, {time.monotonic() - began:.0f} s", flush=True)
        os.fsync(fd)
    finally:
        os.close(fd)


def change(device, options):
    """Whole chunks outside of where the load writes."""
    size = options.chunk_kib << 10
    first = LOAD_MIB * MIB // size
    numbers = random.Random(options.seed).sample(range(first, options.written_mib * MIB // size),
                                                 options.changed_mib * MIB // size)
    fd = os.open(device, os.O_WRONLY)
    try:
        for number in numbers:
            os.pwrite(fd, os.urandom(size), number * size)
        os.fsync(fd)
    finally:
        os.close(fd)
    return len(numbers) * size


def caught_up(agent, name):
    return agent.volume(name)["state"] == "healthy" and replica(agent, name, "c")["lag_bytes"] == 0


def measure(lab, options):
    a, name = lab["a"], "cost"
    a.create(name, size=f"{options.written_mib + 1024}M")
    device = a.attach(name)
    wait_for("healthy", lambda: a.volume(name)["state"] == "healthy", 60)
    fill(device, options.written_mib)
    wait_for("c has all", lambda: caught_up(a, name), 300)
    lab["c"].kill()
    time.sleep(8)  # it is known to be away
    changed = change(device, options)
    load = Load(device)
    time.sleep(options.before_s)
    before = load.stop()
    load = Load(device)
    time.sleep(2)
    began = time.monotonic()
    lab["c"].start()
    wait_for("a resync", lambda: replica(a, name, "c")["resync"] or replica(a, name, "c")["resyncs"], 120)
    wait_for("c has all", lambda: caught_up(a, name), 600)
    seconds = time.monotonic() - began
    during = load.stop()
    c = replica(a, name, "c")
    # What the load may have changed in whole grains: it writes all over its own few MiB.
    changed += LOAD_MIB * MIB
    copied, maps = c["resync_copied_bytes"], c["resync_map_bytes"]
    a.detach(name)
    return {"written_mib": options.written_mib, "changed_mib": changed / MIB, "copied_mib": copied / MIB,
            "copied_ratio": copied / changed, "map_kib": maps / 1024, "resyncs": c["resyncs"], "seconds": seconds,
            "before": before, "during": during, "p99_ratio": during["p99_us"] / before["p99_us"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--written-mib", type=int, default=10240)
    parser.add_argument("--changed-mib", type=int, default=100)
    parser.add_argument("--chunk-kib", type=int, default=64)
    parser.add_argument("--before-s", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lab = Lab(pool_gib=options.written_mib // 1024 + 4)
    try:
        result = measure(lab, options)
    finally:
        problems = lab.close()
    print(json.dumps(result, indent=1))
    bad = result["copied_ratio"] > GOAL_COPIED or result["p99_ratio"] > GOAL_P99 or problems
    print(f"copied {result['copied_mib']:.1f} MiB of {result['changed_mib']:.1f} changed: {result['copied_ratio']:.2f} "
          f"(goal {GOAL_COPIED}), maps {result['map_kib']:.0f} KiB, p99 {result['p99_ratio']:.2f} of before "
          f"(goal {GOAL_P99}), {result['seconds']:.1f} s{'; ' + str(problems) if problems else ''}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
