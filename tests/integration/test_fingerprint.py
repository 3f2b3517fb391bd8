"""What a pool's disk is measured to do decides its tier, and nothing outside the pool is written."""

import hashlib
import os
import subprocess

import pytest

from cluster import Cluster, wait_for

GUARD = 16 << 20
POOL = 192 << 20


class Raw:
    """One raw disk in memory, with pools in the middle and other people's bytes around each."""

    def __init__(self, path, pools):
        self.path = path
        self.guards = [i * (GUARD + POOL) for i in range(pools + 1)]
        self.loops = []
        with open(path, "wb") as raw:
            for at in self.guards:
                raw.seek(at)
                raw.write(os.urandom(GUARD))
        for at in self.guards[:-1]:
            words = ["losetup", "--find", "--show", "--offset", str(at + GUARD), "--sizelimit", str(POOL), str(path)]
            self.loops.append(subprocess.check_output(words, text=True).strip())
        self.before = self.sums()

    def sums(self):
        found = []
        with open(self.path, "rb") as raw:
            for at in self.guards:
                raw.seek(at)
                found.append(hashlib.sha256(raw.read(GUARD)).hexdigest())
        return found

    def close(self):
        for loop in self.loops:
            subprocess.run(["losetup", "-d", loop], check=True, timeout=20)
        os.unlink(self.path)


@pytest.fixture
def raw():
    raw = Raw(f"/dev/shm/quoin-raw-{os.getpid()}", 3)
    yield raw
    raw.close()


@pytest.fixture
def agent(raw):
    """One node, each of whose three pools is slow in its own way."""
    cluster = Cluster()
    agent = cluster.add("a")
    before, rest = agent.config.read_text().split("[pool p]")
    pools = "".join(f"[pool {name}]\npath = {loop}\nfaults = delay:write={delay}\n"
                    for name, loop, delay in zip(("slow", "middle", "fast"), raw.loops, ("5ms", "300us", "50us")))
    agent.config.write_text(before.replace("[node]\n", "[node]\nmeasure_every = 3s\n") + pools +
                            rest[rest.index("[docker]"):])
    cluster.init()
    agent.start()
    yield agent
    problems = cluster.close()
    assert not problems, problems


def pools_of(agent):
    return {p["name"]: p for p in agent.get("/v1/pools")["pools"]}


def test_the_tier_is_measured_in_the_pool_and_follows_the_disk(raw, agent):
    pools = wait_for("three pools", lambda: len(pools_of(agent)) == 3 and pools_of(agent))
    assert pools["slow"]["tier"] == "low", pools["slow"]
    assert "durable write" in pools["slow"]["tier_reason"]
    assert pools["middle"]["tier"] == "medium", pools["middle"]
    # On a machine that is busy with other tests 50 us may take more than 200.
    assert pools["fast"]["tier"] in ("high", "medium"), pools["fast"]
    assert raw.sums() == raw.before
    agent.stop()
    agent.config.write_text(agent.config.read_text().replace("write=50us", "write=9ms"))
    agent.start()
    told = wait_for("the drift is told", lambda: agent.events("pool-tier-changed"), 60)[-1]
    assert told["subject"] == "fast"
    assert "to low: durable write " in told["text"] and ", was " in told["text"]
    wait_for("the catalog knows", lambda: pools_of(agent)["fast"]["tier"] == "low")
    assert raw.sums() == raw.before
