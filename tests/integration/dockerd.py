"""A real dockerd of our own: private mount and network namespaces, own data root; nothing of the machine's Docker."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from cluster import wait_for

IMAGE = "quoin-it/busybox"


class Dockerd:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="quoin-it-docker-", dir="/tmp"))
        self.socket = self.dir / "docker.sock"
        self.process = None
        self.containerd = None
        # A process that holds the namespaces: its own /run (so its own plugin directory), its own network.
        ready = self.dir / "namespaces"
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c",
             f"mkdir -p {self.dir}/cg && mount --rbind /sys/fs/cgroup {self.dir}/cg && mount -t sysfs sysfs /sys && "
             f"mount --rbind {self.dir}/cg /sys/fs/cgroup && mount -t tmpfs -o mode=755 tmpfs /run && "
             f"mkdir -p /run/docker/plugins /run/lock && ip link set lo up && touch {ready} && exec sleep infinity"],
            stdin=subprocess.DEVNULL)
        wait_for("namespaces", ready.exists)

    def inside(self, net=False):
        """What to put before a command to run it where dockerd sees its mounts."""
        return ["nsenter", "-t", str(self.holder.pid), "-m"] + (["-n"] if net else []) + ["--"]

    def start_containerd(self):
        """Its own, as on any real machine: it outlives a killed dockerd, and so do the containers."""
        d = self.dir
        (d / "containerd.toml").write_text(
            f'version = 2\nroot = "{d}/containerd"\nstate = "{d}/containerd-state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{d}/containerd.sock"\n')
        with open(d / "containerd.log", "ab") as log:
            self.containerd = subprocess.Popen(
                self.inside(net=True) + ["containerd", "--config", f"{d}/containerd.toml"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        wait_for("containerd", (d / "containerd.sock").exists)

    def start(self):
        if not self.containerd:
            self.start_containerd()
        (self.dir / "daemon.json").write_text(f'{{"deprecated-key-path": "{self.dir}/key.json"}}')
        log = open(self.dir / "log", "ab")
        (self.dir / "pid").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            self.inside(net=True) + ["dockerd", "--config-file", f"{self.dir}/daemon.json", "--data-root", f"{self.dir}/data", "--exec-root", f"{self.dir}/exec",
                                     "-H", f"unix://{self.socket}", "--containerd",
                                     f"{self.dir}/containerd.sock", "--pidfile", f"{self.dir}/pid", "--bridge=none",
                                     "--iptables=false", "--cgroup-parent", f"/{self.dir.name}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        try:
            wait_for("dockerd", lambda: self.docker("version", check=False).returncode == 0, 60, 0.2)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{(self.dir / 'log').read_text(errors='replace')[-3000:]}") from e
        return self

    def docker(self, *words, check=True, timeout=90):
        done = subprocess.run(["docker", "-H", f"unix://{self.socket}", *words], capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL)
        if check:
            assert done.returncode == 0, f"docker {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def import_image(self):
        root = self.dir / "image"
        (root / "bin").mkdir(parents=True)
        (root / "seed").mkdir()
        (root / "seed/from-image").write_text("of the image\n")
        shutil.copy("/bin/busybox", root / "bin/busybox")
        for word in ("sh", "cat", "dd", "ls", "md5sum", "sync", "echo", "sleep", "find"):
            (root / "bin" / word).symlink_to("busybox")
        subprocess.run(f"tar -C {root} -c . | docker -H unix://{self.socket} import - {IMAGE}", shell=True, check=True,
                       stdout=subprocess.DEVNULL, timeout=60)

    def run(self, volume, command, *options, check=True):
        return self.docker("run", "--rm", "--network", "none", *options, "-v", f"{volume}:/data", IMAGE, "/bin/sh", "-c",
                           command, check=check)

    def remove_containers(self):
        ids = self.docker("ps", "-aq", check=False).stdout.split() if self.process else []
        if ids:
            self.docker("rm", "-f", *ids, check=False)

    def kill(self):
        """kill -9 of dockerd alone; its containers go on."""
        pid = int((self.dir / "pid").read_text())
        os.kill(pid, signal.SIGKILL)
        self.process.wait(20)
        self.process = None

    def stop(self):
        if self.process:
            try:
                os.kill(int((self.dir / "pid").read_text()), signal.SIGTERM)
                self.process.wait(40)
            except (OSError, ValueError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait(20)
            self.process = None

    def mine(self):
        """Processes in our mount namespace, but for the holder."""
        ours = os.readlink(f"/proc/{self.holder.pid}/ns/mnt")
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == self.holder.pid:
                continue
            try:
                text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if os.readlink(entry / "ns/mnt") == ours or str(self.dir) in text:
                    yield int(entry.name)
            except OSError:
                pass

    def close(self):
        self.stop()
        if self.containerd:
            self.containerd.terminate()
            try:
                self.containerd.wait(10)
            except subprocess.TimeoutExpired:
                self.containerd.kill()
                self.containerd.wait(10)
        for _ in range(20):
            left = [p for p in self.mine() if p != os.getpid()]
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            if not left:
                break
            time.sleep(0.1)
        self.holder.kill()
        self.holder.wait(10)
        for group in sorted(pathlib.Path("/sys/fs/cgroup").glob(f"**/{self.dir.name}"), reverse=True):
            try:
                group.rmdir()
            except OSError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)
