"""Pools are made even by themselves, where that was asked for, and then left alone."""

import time

from cluster import wait_for


def pools(agent):
    return {p["node"]: p for p in agent.get("/v1/pools")["pools"]}


def apart(agent):
    promised = [p["provisioned_bytes"] for p in pools(agent).values()]
    return (max(promised) - min(promised)) * 100 / (4 << 30)  # of the limit: 200 % of 2 GiB


def told(cluster, kind):
    return [e for agent in cluster.agents.values() for e in agent.events(kind)]


def test_a_new_node_gets_its_share_by_itself_and_then_nothing_moves(cluster, name):
    def configure(agent):
        agent.config.write_text(agent.config.read_text().replace(
            "[cluster]\n", "[cluster]\nrebalance = yes\nrebalance_rate = 1G\nsteward_after = 1s\n"))

    for agent in [cluster[n] for n in "abc"]:
        agent.stop()
        configure(agent)
        agent.start()
    a = cluster["a"]
    for i in range(7):
        a.create(f"{name}-{i}", size="64M")
    assert a.cli("rebalance", "--dry-run").stdout == "the pools are even: nothing is to move\n"
    d = cluster.add("d")
    configure(d)
    d.start()
    wait_for("it begins", lambda: told(cluster, "rebalance-begins"), 60, 0.5)
    # Only the first node by name does it.
    assert a.events("rebalance-begins")
    wait_for("it ends", lambda: told(cluster, "rebalance-ends"), 180, 0.5)
    assert apart(a) <= 5 and pools(a)["d"]["replicas"] >= 3, pools(a)
    moves = len(told(cluster, "rebalance-move"))
    assert 3 <= moves <= 5, told(cluster, "rebalance-move")
    time.sleep(25)
    assert len(told(cluster, "rebalance-move")) == moves
    for i in range(7):
        assert len([r for r in a.volume(f"{name}-{i}")["replicas"] if r["role"] == "voter"]) == 3
