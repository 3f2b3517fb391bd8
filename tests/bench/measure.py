"""One load on one target, measured by fio or the floor. Each figure is of one run; the caller takes turns."""

import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = TOP / os.environ.get("QUOIN_BUILD", "build")


class BenchError(Exception):
    """Something is not as it must be, in words for the person who runs the benchmark."""


class Load:
    """What fio is to do. `name` is what tables show."""

    def __init__(self, name, rw, block, depth, fsync=False, mix=None):
        self.name = name
        self.rw = rw
        self.block = block
        self.depth = depth
        self.fsync = fsync
        self.mix = mix
        # The side whose figures count.
        self.side = "read" if "read" in rw else "write"

    def fio_words(self):
        words = [f"--rw={self.rw}", f"--bs={self.block}", f"--iodepth={self.depth}"]
        if self.fsync:
            words.append("--fsync=1")
        if self.mix is not None:
            words.append(f"--rwmixread={self.mix}")
        return words


def random_loads(depths):
    return [Load(f"4k {word}, depth {depth}", f"rand{word}", "4k", depth)
            for word in ("write", "read") for depth in depths]


LOADS = random_loads((1, 8, 32, 128)) + [
    Load("4k 70/30, depth 32", "randrw", "4k", 32, mix=70),
    Load("4k write, fsync after each", "randwrite", "4k", 1, fsync=True),
    Load("1M write, depth 4", "write", "1m", 4),
    Load("1M read, depth 4", "read", "1m", 4),
]


def run_json(command, timeout):
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        raise BenchError(f"{command[0]} did not end within {timeout} s") from late
    if done.returncode != 0 or "{" not in done.stdout:
        raise BenchError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout[done.stdout.index("{"):])


def fio(target_words, load, seconds, size_mib):
    """iops, MiB/s, latencies in microseconds."""
    job = run_json(["fio", "--name=bench", *target_words, *load.fio_words(), f"--size={size_mib}m", "--time_based",
                    f"--runtime={seconds}", "--ramp_time=1", "--norandommap", "--randrepeat=0",
                    "--output-format=json"], seconds * 3 + 120)["jobs"][0]
    side = job[load.side]
    percentile = side["clat_ns"]["percentile"]
    return {
        "iops": side["iops"] + (job["read"]["iops"] if load.side == "write" and load.mix is not None else 0),
        "mib_s": side["bw_bytes"] / (1 << 20),
        "p50_us": percentile["50.000000"] / 1000,
        "p99_us": percentile["99.000000"] / 1000,
        "max_us": side["clat_ns"]["max"] / 1000,
    }


def fill(target_words, size_mib):
    """Every block is written once: reads find data, overwrites allocate nothing."""
    run_json(["fio", "--name=fill", *target_words, "--rw=write", "--bs=256k", "--iodepth=8", f"--size={size_mib}m",
              "--output-format=json"], 600)


def floor(directory, load, durable, seconds, size_mib):
    words = [BUILD / "tests/bench/floor", "--dir", directory, "--depth", load.depth, "--durable", durable,
             "--seconds", seconds, "--size-mib", size_mib, "--block", {"4k": 4096, "1m": 1 << 20}[load.block]]
    found = run_json(words, seconds * 3 + 60)
    return {
        "iops": found["iops"], "mib_s": found["mib_per_s"], "p50_us": found["p50_us"], "p99_us": found["p99_us"],
        "cpu_us": found["cpu_s"] / max(1.0, found["iops"] * seconds) * 1e6,
    }


def cpu_seconds(pids):
    """User and system time of these processes, their threads included."""
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
