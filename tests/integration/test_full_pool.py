"""Three volumes fill their pools to the last grain: writes, trims and snapshots at the edge, for real."""

import errno
import json
import os
import random
import subprocess
import urllib.request

from blockio import aligned, block, open_direct
from cluster import QUOIND, wait_for

GRAIN = 65536
BLOCKS = GRAIN // 4096
SIZE_MIB = 500
GRAINS = SIZE_MIB * 16
QUOIN_POOL = QUOIND.parent.parent / "tools" / "quoin-pool"


def content(grain, version):
    return b"".join(block(grain * BLOCKS + i, version) for i in range(BLOCKS))


class Volume:
    """A device, and of each grain the versions that it may have: several after a write that was refused."""

    def __init__(self, agent, name):
        self.name = name
        self.fd = open_direct(agent.attach(name))
        self.may = {}

    def write(self, grain, version):
        """False: there is no room."""
        try:
            os.pwrite(self.fd, aligned(content(grain, version)), grain * GRAIN)
        except OSError as e:
            assert e.errno == errno.ENOSPC, e
            self.may[grain] = self.may.get(grain, {0}) | {version}
            return False
        self.may[grain] = {version}
        return True

    def trim(self, first, count):
        path = f"/proc/self/fd/{self.fd}"
        subprocess.run(["blkdiscard", "-o", str(first * GRAIN), "-l", str(count * GRAIN), path], pass_fds=[self.fd],
                       check=True, timeout=60)
        for grain in range(first, first + count):
            self.may[grain] = {0}

    def check(self):
        """All that was acknowledged is there; of what was refused the old or the new, block by block."""
        where = aligned(bytes(GRAIN))
        for grain, versions in self.may.items():
            assert os.preadv(self.fd, [where], grain * GRAIN) == GRAIN
            got = bytes(where)
            wanted = [content(grain, v) if v else bytes(GRAIN) for v in versions]
            for i in range(0, GRAIN, 4096):
                assert any(got[i:i + 4096] == w[i:i + 4096] for w in wanted), (self.name, grain, i, versions)


def fill(volumes, version, start):
    """Round and round, until each is refused; how many grains were taken."""
    left, taken, at = list(volumes), 0, start
    while left and at < GRAINS:
        for volume in list(left):
            if volume.write(at, version):
                taken += 1
            else:
                left.remove(volume)
        at += 1
    assert not left, "the pools were not filled"
    return taken


def pool_of(agent):
    return json.loads(agent.cli("pool", "inspect", "p", "--json").stdout)["pool"]


def in_use(agent):
    return pool_of(agent)["used_bytes"]


def test_pools_filled_to_the_last_grain_lose_nothing_and_recover(small, name):
    a = small["a"]
    names = [f"{name}-{i}" for i in range(3)]
    for one in names:
        a.create(one, size=f"{SIZE_MIB}M")
    volumes = [Volume(a, one) for one in names]
    rnd = random.Random(1)

    taken = fill(volumes, 1, 0)
    assert taken * GRAIN > 850 << 20, taken
    for agent in small.agents.values():
        wait_for("the operator is told", lambda: agent.events("pool-full"))
        pool = pool_of(agent)
        assert in_use(agent) >= 0.96 * pool["size_bytes"], pool
    assert "takes no new writes" in a.events("pool-full")[0]["text"]
    assert int(a.events("pool-fills-up")[0]["text"].split(" %")[0]) >= 80
    assert a.cli("pool", "list").stdout.count("ok, full") >= 1
    page = urllib.request.urlopen(f"http://127.0.0.1:{a.metrics_port}/metrics", timeout=10).read().decode()
    assert 'quoin_pool_full{node="a",pool="p"} 1' in page and 'quoin_pool_warned_percent{node="a",pool="p"} 97' in page
    for volume in volumes:
        volume.check()  # reads go on

    # A snapshot at the edge: what is written over needs room of its own, and is refused when there is none.
    a.cli("snapshot", "create", f"{names[0]}@edge")
    for _ in range(40):
        volume = rnd.choice(volumes)
        volume.write(rnd.randrange(max(volume.may)), 2)
    # Trims go on: what a snapshot doesn't hold comes back, and is taken at once.
    for round_ in range(3):
        before = in_use(a)
        for volume in volumes[1:]:
            volume.trim(rnd.randrange(1000), 400)
        wait_for("room from trims", lambda: in_use(a) < before - (8 << 20), seconds=60)
        for volume in volumes:
            for grain in rnd.sample(sorted(volume.may), 60):
                volume.write(grain, 3 + round_)
        fill(volumes[1:2], 6 + round_, max(volumes[1].may) + 1 - 200)
    for volume in volumes:
        volume.check()

    # The snapshot's room comes back, too; then all of it is taken again.
    volumes[0].trim(0, 2000)
    before = in_use(a)
    a.cli("snapshot", "rm", f"{names[0]}@edge")
    wait_for("the snapshot's room", lambda: in_use(a) < before - (100 << 20), seconds=60)
    wait_for("the operator is told that it is better", lambda: a.events("pool-space-back"), seconds=20)
    for grain in range(200):
        wait_for("writes go on", lambda: volumes[0].write(grain, 10), seconds=30)
    fill(volumes, 11, 200)
    for volume in volumes:
        volume.check()
        os.close(volume.fd)
        a.detach(volume.name)

    for agent in small.agents.values():
        agent.stop()
        done = subprocess.run([str(QUOIN_POOL), "check", str(agent.pool), "--json"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    for agent in small.agents.values():
        agent.start(ready=False)
    for agent in small.agents.values():
        agent.wait_ready()
    for volume in volumes:
        volume.fd = open_direct(wait_for("attach", lambda: a.attach(volume.name), seconds=30))
        volume.check()
        os.close(volume.fd)
        a.detach(volume.name)
        a.remove(volume.name)
    for agent in small.agents.values():
        wait_for("all of it back", lambda: in_use(agent) == 0, seconds=60)
