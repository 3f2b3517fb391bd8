"""Members that stay away are replaced, learners that die are given up, by themselves."""

from blockio import check_blocks, write_blocks
from cluster import wait_for

MIB = 256  # blocks


def roles(agent, name):
    return {r["node"]: r["role"] for r in agent.volume(name)["replicas"]}


def configured(cluster, **keys):
    """Agents with these keys in [cluster]."""
    for agent in cluster.agents.values():
        text = agent.config.read_text()
        lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
        agent.config.write_text(text.replace("[cluster]\n", "[cluster]\n" + lines))
        if agent.process:
            agent.stop()
            agent.start(ready=False)
    for agent in cluster.agents.values():
        if agent.process:
            agent.wait_ready()


def pools_ok(agent):
    return len([p for p in agent.get("/v1/pools")["pools"] if p["state"] == "ok"])


def test_a_replica_that_stays_away_is_replaced(cluster, name):
    configured(cluster, rebuild_after="2s")
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
    d = cluster.add("d")
    configured_d = d.config.read_text().replace("[cluster]\n", "[cluster]\nrebuild_after = 2s\n")
    d.config.write_text(configured_d)
    d.start()
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


def test_a_learner_that_dies_is_given_up(cluster, name):
    configured(cluster, rebuild_after="2s")
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
