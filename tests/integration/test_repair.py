"""Members that stay away are replaced, learners that die are given up, by themselves."""

import pytest

from blockio import check_blocks, write_blocks
from cluster import Cluster, wait_for

MIB = 256  # blocks


def roles(agent, name):
    return {r["node"]: r["role"] for r in agent.volume(name)["replicas"]}


@pytest.fixture
def make():
    """Makes three agents with these keys in [cluster]."""
    made = []

    def three(**keys):
        cluster = Cluster()
        made.append(cluster)
        for agent in "abc":
            configure(cluster.add(agent), **keys)
        return cluster.init().start()

    yield three
    problems = [problem for cluster in made for problem in cluster.close()]
    assert not problems, problems


def configure(agent, **keys):
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    agent.config.write_text(agent.config.read_text().replace("[cluster]\n", "[cluster]\n" + lines))
    return agent


def stewardships(cluster, name):
    return sum(e["kind"] == "steward-begins" and e["subject"] == name
               for agent in cluster.agents.values() if agent.process for e in agent.events())


def pools_ok(agent):
    return len([p for p in agent.get("/v1/pools")["pools"] if p["state"] == "ok"])


def test_a_replica_that_stays_away_is_replaced(make, name):
    cluster = make(rebuild_after="2s")
    a = cluster["a"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 4 * MIB, version=1)
    # No other zone has a pool: nothing is done, and it is said why.
    cluster["c"].kill()
    wait_for("the event", lambda: a.events("replica-not-replaced"), 30)
    assert "zone" in a.events("replica-not-replaced")[-1]["text"]
    assert a.volume(name)["membership"]["number"] == 1
    # A pool comes: it is taken by itself.
    configure(cluster.add("d"), rebuild_after="2s").start()
    wait_for("d is a voter", lambda: roles(a, name).get("d") == "voter"
             and a.volume(name)["state"] == "healthy", 90, 0.2)
    assert a.events("replica-replaced")
    members = a.volume(name)["membership"]
    assert members["number"] == 3 and len(members["voters"]) == 3 and not members["learners"]
    # It counts: with b dead, writes go on and all is there.
    cluster["b"].kill()
    write_blocks(device, 8 * MIB, MIB, version=2)
    check_blocks(device, 0, 4 * MIB, version=1)
    check_blocks(device, 8 * MIB, MIB, version=2)
    # The retired replica is known when its node comes back: its space is given back.
    cluster["c"].start()
    wait_for("c has none", lambda: "c" not in roles(a, name), 60)
    assert not cluster["c"].events("replica-orphan")
    cluster["b"].start()
    a.detach(name)


def test_a_pool_that_fails_says_why_and_its_replica_is_replaced(make, name):
    cluster = make(rebuild_after="2s")
    a, c = cluster["a"], cluster["c"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 4 * MIB, version=1)
    # Its disk takes so many flushes from its next start on, and then none.
    c.stop()
    c.config.write_text(c.config.read_text().replace("tier = high\n",
                                                     "tier = high\nfaults = error:on=flush,after=60\n"))
    c.start()
    written = [0]

    def failed():
        write_blocks(device, written[0] % (8 * MIB), 16, version=2)
        written[0] += 16
        return c.events("pool-failed")

    event = wait_for("the flush that fails", failed, 60, 0)[-1]
    assert event["subject"] == "p" and "flush" in event["text"], event
    assert len(c.events("pool-failed")) == 1
    listed = wait_for("it says why", lambda: "has failed" in (out := a.cli("pool", "list").stdout) and out, 30)
    assert "pool p of node c has failed: " in listed and "flush" in listed
    pool = [p for p in c.get("/v1/pools")["pools"] if p["local"]][0]
    assert pool["state"] == "failed" and "flush" in pool["state_reason"]
    # A fourth zone. Beside its restart it could take the replica of a node that is away for two seconds.
    configure(cluster.add("d"), rebuild_after="2s").start()
    wait_for("another has its place", lambda: roles(a, name).get("d") == "voter" and roles(a, name).get("c") != "voter",
             60)
    assert a.events("replica-replaced")
    wait_for("healthy", lambda: a.volume(name)["state"] == "healthy", 60)
    check_blocks(device, 4 * MIB - 16, 16, version=1 if written[0] <= 4 * MIB - 16 else 2)
    a.detach(name)


def test_a_learner_that_dies_is_given_up(make, name):
    cluster = make(rebuild_after="2s")
    a = cluster["a"]
    a.create(name, size="64M", replicas="1")
    agent = cluster[a.volume(name)["replicas"][0]["node"]]
    others = [other for other in cluster.agents.values() if other is not agent]
    wait_for("the volume there", lambda: agent.volume(name))
    device = agent.attach(name)
    write_blocks(device, 0, MIB, version=1)
    for other in others:  # dead, and not known to be
        other.kill()
    agent.cli("volume", "set-replicas", name, "2")
    assert sorted(roles(agent, name).values()) == ["learner", "voter"]
    assert agent.cli("volume", "set-replicas", name, "2", check=False).returncode == 4
    agent.cli("volume", "cancel-change", name)
    assert agent.cli("volume", "cancel-change", name, check=False).returncode == 3
    assert "learner" not in roles(agent, name).values()
    others[0].start()
    others[1].start()
    wait_for("it is deleted", lambda: list(roles(agent, name).values()) == ["voter"], 30)
    # By itself, too.
    for other in others:
        other.kill()
    agent.cli("volume", "set-replicas", name, "2")
    wait_for("given up", lambda: len(agent.events("membership-given-up")) == 2, 30)
    others[0].start()
    others[1].start()
    wait_for("all pools", lambda: pools_ok(agent) == 3, 30)
    wait_for("it is deleted", lambda: list(roles(agent, name).values()) == ["voter"], 30)
    agent.cli("volume", "set-replicas", name, "2")
    wait_for("two voters", lambda: list(roles(agent, name).values()).count("voter") == 2, 60, 0.2)
    check_blocks(device, 0, MIB, version=1)
    agent.detach(name)


def test_of_two_replicas_the_dead_one_is_dropped(make, name):
    cluster = make(drop_after="2s")
    a = cluster["a"]
    a.create(name, size="64M", replicas="2")
    nodes = [r["node"] for r in a.volume(name)["replicas"]]
    agent = cluster[nodes[0]]
    wait_for("the volume there", lambda: agent.volume(name))
    device = agent.attach(name)
    write_blocks(device, 0, MIB, version=1)
    cluster[nodes[1]].kill()
    write_blocks(device, 2 * MIB, MIB, version=2)  # waits, and goes on alone
    assert agent.events("replica-dropped")
    # A new one is made in the free zone; the dropped one is deleted when its node is back.
    wait_for("two again", lambda: list(roles(agent, name).values()).count("voter") == 2
             and agent.volume(name)["state"] == "healthy", 60, 0.2)
    cluster[nodes[1]].start()
    wait_for("it is deleted", lambda: len(roles(agent, name)) == 2, 30)
    write_blocks(device, 4 * MIB, MIB, version=3)
    # The holder dies with its replica: the other one is enough to take over, and all is there.
    other = cluster[[node for node in roles(agent, name) if node != nodes[0]][0]]
    agent.kill()
    device = wait_for("the takeover", lambda: other.attach(name), 60)
    for at, version in ((0, 1), (2, 2), (4, 3)):
        check_blocks(device, at * MIB, MIB, version=version)
    write_blocks(device, 6 * MIB, MIB, version=4)
    agent.start()
    other.detach(name)


def test_a_detached_volume_is_looked_after_by_a_steward(make, name):
    cluster = make(rebuild_after="3s", steward_after="1s")
    a = cluster["a"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 4 * MIB, version=1)
    cluster["c"].kill()
    a.detach(name)
    # A fourth zone: the one that stays away is replaced, though nobody has the volume.
    configure(cluster.add("d"), rebuild_after="3s", steward_after="1s").start()
    wait_for("d is a voter", lambda: roles(a, name).get("d") == "voter", 90, 0.2)
    assert a.volume(name)["state"] == "detached" and a.holder(name) is None
    wait_for("it is told", lambda: any(e["kind"] == "replica-replaced" and e["subject"] == name
                                       for agent in cluster.agents.values() if agent.process for e in agent.events()), 30)
    wait_for("it ends", lambda: a.volume(name)["steward"] is None, 30)
    # The new one has all: with another one dead it is enough.
    cluster["b"].kill()
    device = a.attach(name)
    check_blocks(device, 0, 4 * MIB, version=1)
    write_blocks(device, 8 * MIB, MIB, version=2)
    # Once more when one of its nodes has started, for that one's replica missed the last writes; whoever wants
    # the volume then gets it at once.
    a.detach(name)
    before = stewardships(cluster, name)
    cluster["b"].start()
    wait_for("a steward", lambda: stewardships(cluster, name) > before, 60, 0.01)
    device = a.attach(name)
    check_blocks(device, 8 * MIB, MIB, version=2)
    assert a.holder(name) == "a" and a.volume(name)["steward"] is None
    a.detach(name)
