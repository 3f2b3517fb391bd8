"""PostgreSQL on a filesystem: transactions a second of pgbench, with synchronous commit."""

import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile

from measure import BenchError

SCALE, CLIENTS = 10, 8


def programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    if not found or not shutil.which("pgbench"):
        raise BenchError("PostgreSQL is missing (apt-get install postgresql postgresql-contrib)")
    return found[-1]


class Database:
    """A database of its own in `directory`, on a unix socket only."""

    def __init__(self, directory):
        self.bin = programs()
        self.user = pwd.getpwnam("postgres")
        self.data = pathlib.Path(directory) / "pg"
        self.sockets = tempfile.mkdtemp(prefix="quoin-pg-")
        os.chown(self.sockets, self.user.pw_uid, self.user.pw_gid)

    def call(self, *words, timeout=300):
        done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=timeout, user="postgres", group=self.user.pw_gid, cwd="/",
                              env={"PATH": os.environ["PATH"], "PGHOST": self.sockets, "PGUSER": "postgres"})
        if done.returncode != 0:
            raise BenchError(f"{words[0]}: {(done.stderr or done.stdout).strip()[-1000:]}")
        return done.stdout

    def begin(self):
        self.data.mkdir()
        os.chown(self.data, self.user.pw_uid, self.user.pw_gid)
        self.call(self.bin / "initdb", "-D", self.data, "-A", "trust", "-U", "postgres")
        self.call(self.bin / "pg_ctl", "-D", self.data, "-w", "-l", f"{self.sockets}/log", "-o",
                  f"-c listen_addresses='' -c unix_socket_directories={self.sockets} -c shared_buffers=64MB", "start")
        self.call("pgbench", "-i", "-q", "-s", SCALE, "postgres")

    def run(self, seconds):
        said = self.call("pgbench", "-c", CLIENTS, "-j", "2", "-T", seconds, "postgres", timeout=seconds * 3 + 120)
        return float(re.search(r"tps = ([0-9.]+)", said).group(1))

    def end(self):
        try:
            if (self.data / "postmaster.pid").exists():
                self.call(self.bin / "pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")
        finally:
            shutil.rmtree(self.sockets, ignore_errors=True)
            shutil.rmtree(self.data, ignore_errors=True)


def compare(args, cluster, say):
    """Transactions a second on the disk's own ext4 and on a mounted volume, in turns."""
    raw = tempfile.mkdtemp(prefix="quoin-bench-pg-", dir=args.dir)
    os.chmod(raw, 0o755)
    agent = cluster.enter()["a"]
    agent.create("bench-pg", size="2G")
    try:
        agent.attach("bench-pg")
        mount = tempfile.mkdtemp(prefix="quoin-bench-mnt-")
        device = agent.device_here("bench-pg")
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard", device], check=True)
        subprocess.run(["mount", "-o", "noatime", device, mount], check=True)
        os.chmod(mount, 0o755)
        try:
            bases = {"raw": Database(raw), "quoin-device": Database(mount)}
            samples = {name: [] for name in bases}
            try:
                for base in bases.values():
                    base.begin()
                for turn in range(args.repeat):
                    for name in list(bases) if turn % 2 == 0 else list(reversed(bases)):
                        samples[name].append({"tps": bases[name].run(args.seconds * 2)})
                        say(f"pgbench {turn + 1}/{args.repeat}: {name} {samples[name][-1]['tps']:.0f} tps")
            finally:
                for base in bases.values():
                    base.end()
            return samples
        finally:
            subprocess.run(["umount", mount], check=True)
            os.rmdir(mount)
    finally:
        shutil.rmtree(raw, ignore_errors=True)
        agent.detach("bench-pg")
        agent.remove("bench-pg")
        cluster.leave()
