"""Three real agents on this machine: own directories, ports and pools (sparse files); everything ends with them."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get("QUOIN_BUILD", "build")
QUOIND = BUILD / "src/agent/quoind"
QUOIN = BUILD / "src/cli/quoin"


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.text = json.dumps(body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("quoin", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def wait_for(what, check, seconds=20.0, pause=0.05):
    """Until check() gives something true; what it gave last stands in the failure."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            last = check()
            if last:
                return last
        except (OSError, ApiError, http.client.HTTPException) as e:
            last = e
        time.sleep(pause)
    raise AssertionError(f"not within {seconds} s: {what}; last: {last!r}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Agent:
    """One quoind: its files, and the process while it lives."""

    def __init__(self, cluster, name, zone=None, docker_socket=None, pool_gib=2, prefix=(), address="127.0.0.1",
                 port=None, env=None, threads=None):
        self.cluster = cluster
        self.name = name
        self.dir = cluster.dir / name
        self.dir.mkdir()
        self.port = port or free_port()
        self.env = env or {}
        self.metrics_port = free_port()
        self.pool = self.dir / "pool"
        self.state = self.dir / "state"
        self.socket = self.dir / "admin.sock"
        self.config = self.dir / "quoind.conf"
        self.log = self.dir / "log"
        self.prefix = list(prefix)
        self.process = None
        self.pools = threads or 1
        self.docker_socket = docker_socket
        docker = f"enabled = yes\nsocket = {docker_socket}\n" if docker_socket else "enabled = no\n"
        self.config.write_text(
            f"[node]\nname = {name}\nzone = {zone or name}\nstate_dir = {self.state}\n"
            f"listen = {address}:{self.port}\nbuffer_memory = 128M\n"
            + (f"threads = {threads}\n" if threads else "") +
            f"[cluster]\nkvdb = sqlite:{cluster.dir}/kvdb.sqlite\nkey = {cluster.dir}/cluster.key\n"
            f"[pool p]\npath = {self.pool}\nsize = {pool_gib}G\ntier = high\n"
            + "".join(f"[pool p{i}]\npath = {self.pool}{i}\nsize = {pool_gib}G\ntier = high\n"
                      for i in range(1, self.pools)) +
            f"[docker]\n{docker}[admin]\nsocket = {self.socket}\n"
            f"[metrics]\nlisten = 127.0.0.1:{self.metrics_port}\n"
        )

    def start(self, ready=True):
        assert self.process is None
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:abort_on_error=1", **self.env)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.prefix + [str(QUOIND), "--config", str(self.config)], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=env)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        def check():
            assert self.process.poll() is None, f"{self.name} has ended:\n{self.log_tail()}"
            return self.get("/v1/status")["ready"]

        wait_for(f"{self.name} ready", check, seconds)

    def kill(self):
        """Power loss for the process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        self.process = None

    def stop(self, seconds=35):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self.process = None
        assert code == 0, f"{self.name} ended with {code}:\n{self.log_tail()}"

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # ---- the admin API ----

    def request(self, method, path, body=None, timeout=70):
        connection = UnixConnection(str(self.socket), timeout)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = connection.getresponse()
            text = answer.read()
            parsed = json.loads(text) if text else {}
            if answer.status >= 300:
                raise ApiError(answer.status, parsed)
            return parsed
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path, timeout=10)

    def plugin(self, verb, **body):
        """What dockerd asks of a volume plugin."""
        connection = UnixConnection(str(self.docker_socket), 70)
        try:
            connection.request("POST", f"/VolumeDriver.{verb}", json.dumps(body))
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert not answer.get("Err"), answer
        return answer

    def create(self, name, **options):
        return self.request("POST", "/v1/volumes", dict(options, name=name))

    def remove(self, name):
        return self.request("DELETE", f"/v1/volumes/{name}")

    def attach(self, name):
        self.request("POST", f"/v1/volumes/{name}/attach", {})
        return self.volume(name)["attached"]["device"]

    def detach(self, name):
        return self.request("POST", f"/v1/volumes/{name}/detach", {})

    def volume(self, name):
        answer = self.get(f"/v1/volumes/{name}")
        return answer.get("volume", answer)

    def device_here(self, name):
        """The volume's device on this node, or None."""
        attached = self.volume(name)["attached"]
        return attached["device"] if attached and attached["here"] else None

    def holder(self, name):
        attached = self.volume(name)["attached"]
        return attached["node"] if attached else None

    def metric(self, metric, **labels):
        """The sum of its samples with these labels: what the agent noted in the last second or before."""
        page = urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10).read().decode()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [line for line in page.splitlines() if re.match(rf"{metric}[{{ ]", line) and all(w in line for w in wanted)]
        assert found, f"no sample of {metric} with {labels}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def events(self, kind=None):
        events = self.get("/v1/events")["events"]
        return [e for e in events if kind is None or e["kind"] == kind]

    def cli(self, *words, check=True, timeout=70):
        done = subprocess.run([str(QUOIN), *words], env=dict(os.environ, QUOIN_SOCKET=str(self.socket)),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if check:
            assert done.returncode == 0, f"quoin {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done


class Cluster:
    def __init__(self, directory="/tmp"):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="quoin-it-", dir=directory))
        self.agents = {}

    def add(self, name, **how):
        self.agents[name] = Agent(self, name, **how)
        return self.agents[name]

    def init(self):
        first = next(iter(self.agents.values()))
        subprocess.run([str(QUOIND), "--config", str(first.config), "--init-cluster"], check=True, timeout=60,
                       stdin=subprocess.DEVNULL)
        return self

    def start(self, seconds=30):
        for agent in self.agents.values():
            agent.start(ready=False)
        for agent in self.agents.values():
            agent.wait_ready(seconds)
        # Each sees all others, and their pools.
        for agent in self.agents.values():
            wait_for("all pools known", lambda: sum(
                p["state"] == "ok" for p in agent.get("/v1/pools")["pools"]) == sum(a.pools for a in self.agents.values()))
        return self

    def __getitem__(self, name):
        return self.agents[name]

    def close(self):
        problems = []
        for agent in self.agents.values():
            if agent.process:
                agent.process.send_signal(signal.SIGCONT)
                agent.process.send_signal(signal.SIGTERM)
        for agent in self.agents.values():
            if not agent.process:
                continue
            try:
                agent.process.wait(35)
            except subprocess.TimeoutExpired:
                problems.append(f"{agent.name} didn't stop:\n{agent.log_tail()}")
                agent.process.kill()
                agent.process.wait(20)
            agent.process = None
        problems += self.sweep()
        if not problems and not os.environ.get("QUOIN_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)
        return problems

    def sweep(self):
        """Takes away what is left of ours, and tells what it was."""
        left = []
        mounts = []
        with open("/proc/self/mounts") as table:
            for line in reversed(table.readlines()):
                source, where = line.split()[:2]
                if where.startswith(str(self.dir)):
                    left.append(f"mount {where}")
                    mounts.append((source.startswith("/dev/"), where))
        # Filesystems, then loop devices, then the FUSE mounts that they stand on.
        for real, where in mounts:
            if real:
                subprocess.run(["umount", "-l", where], timeout=20)
        for loop in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
            try:
                if loop.read_text().startswith(str(self.dir)):
                    device = f"/dev/{loop.parts[3]}"
                    left.append(f"loop device {device}")
                    subprocess.run(["losetup", "-d", device], timeout=20)
            except OSError:
                pass  # it has gone meanwhile
        for real, where in mounts:
            if not real:
                subprocess.run(["umount", "-l", where], timeout=20)
        return left
