"""A volume grows while it is written to, with agents killed in between."""

import os
import threading

from blockio import check_blocks, write_blocks
from cluster import wait_for

MIB = 1 << 20


def size(path):
    with open(path, "rb") as device:
        return device.seek(0, os.SEEK_END)


class Writer(threading.Thread):
    """Writes block after block of its part of a device, again and again."""

    def __init__(self, device, first, count):
        super().__init__()
        self.device, self.first, self.count, self.rounds, self.over, self.error = device, first, count, 0, False, None

    def run(self):
        try:
            while not self.over:
                write_blocks(self.device, self.first, self.count, version=self.rounds + 1)
                self.rounds += 1
        except OSError as error:
            self.error = error

    def end(self):
        self.over = True
        self.join()
        assert self.error is None, self.error
        return self.rounds


def test_a_device_grows_under_its_writer(agents, name):
    a, b, c = agents["a"], agents["b"], agents["c"]
    a.create(name, size="64M")
    device = a.attach(name)
    writer = Writer(device, 0, 512)
    writer.start()
    # By another node, while one replica is away: a follows by itself, and c learns it when it is back.
    c.kill()
    wait_for("b's view", lambda: b.holder(name) == "a")
    assert "128 MiB" in b.cli("volume", "resize", name, "128M").stdout
    wait_for("the larger device", lambda: size(device) == 128 * MIB)
    write_blocks(device, 64 * 256, 64 * 256, version=7)
    c.start()
    wait_for("c to have all", lambda: all(r["state"] == "complete" and r["lag_entries"] == 0
                                          for r in a.volume(name)["replicas"]), 40)
    # Here: when the command ends the device has grown.
    a.cli("volume", "resize", name, "192M")
    assert size(device) == 192 * MIB
    rounds = writer.end()
    check_blocks(device, 0, 512, version=rounds)
    check_blocks(device, 64 * 256, 64 * 256, version=7)

    # Refused, with the reason; and nothing has changed.
    refused = a.cli("volume", "resize", name, "64M", check=False)
    assert refused.returncode == 4 and "can't shrink to 64 MiB" in refused.stderr, refused.stderr
    refused = a.cli("volume", "resize", name, "1T", check=False)
    assert "provisioned of at most" in refused.stderr, refused.stderr
    assert a.volume(name)["size_bytes"] == 192 * MIB

    # a dies when the record has grown and nobody else knows; what is read after its return has the new size.
    a.pause()
    b.cli("volume", "resize", name, "256M")
    a.kill()
    a.start()
    device = wait_for("the device again", lambda: a.device_here(name), 40)
    wait_for("its size", lambda: size(device) == 256 * MIB)
    check_blocks(device, 0, 512, version=rounds)
    write_blocks(device, 192 * 256, 64 * 256, version=9)
    # All of them die: what is beyond every old end is there.
    for agent in (a, b, c):
        agent.kill()
    for agent in (a, b, c):
        agent.start(ready=False)
    for agent in (a, b, c):
        agent.wait_ready()
    device = wait_for("the device again", lambda: a.device_here(name), 40)
    check_blocks(device, 192 * 256, 64 * 256, version=9)
    check_blocks(device, 64 * 256, 64 * 256, version=7)
    a.detach(name)
    a.cli("volume", "resize", name, "320M")
    device = b.attach(name)
    assert size(device) == 320 * MIB
    b.detach(name)
    b.remove(name)


def test_a_filesystem_grows_while_it_is_mounted(agents, name):
    a = agents["a"]
    a.create(name, size="320M", fs="xfs")
    path = agents["a"].plugin("Mount", Name=name, ID="1")["Mountpoint"]

    def mib():
        st = os.statvfs(path)
        return st.f_blocks * st.f_frsize // MIB

    with open(f"{path}/kept", "wb") as file:
        file.write(b"k" * MIB)
    assert mib() < 320
    a.cli("volume", "resize", name, "640M")
    assert 500 < mib() <= 640
    events = [e["text"] for e in a.events("volume-grown")]
    assert any("its device and filesystem" in text for text in events), events
    agents["a"].plugin("Unmount", Name=name, ID="1")
    # Detached: with the next mount.
    wait_for("the volume detached", lambda: a.holder(name) is None)
    a.cli("volume", "resize", name, "960M")
    path = agents["a"].plugin("Mount", Name=name, ID="2")["Mountpoint"]
    assert 800 < mib() <= 960
    with open(f"{path}/kept", "rb") as file:
        assert file.read() == b"k" * MIB
    agents["a"].plugin("Unmount", Name=name, ID="2")
    a.remove(name)


def test_a_rollback_keeps_the_larger_size(agents, name):
    a = agents["a"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 256, version=1)
    a.cli("snapshot", "create", f"{name}@small")
    a.cli("volume", "resize", name, "128M")
    write_blocks(device, 64 * 256, 256, version=2)
    a.detach(name)
    a.cli("snapshot", "rollback", f"{name}@small")
    device = a.attach(name)
    assert size(device) == 128 * MIB
    check_blocks(device, 0, 256, version=1)
    with open(device, "rb") as file:
        file.seek(64 * MIB)
        assert file.read(MIB) == bytes(MIB)
    a.detach(name)
    a.cli("snapshot", "rm", f"{name}@small")
    a.remove(name)
