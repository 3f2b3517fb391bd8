"""A node is emptied while its volumes are used, or attached nowhere; no volume has fewer copies meanwhile."""

import threading
import time

from blockio import check_blocks, write_blocks
from cluster import wait_for

MIB = 256  # blocks


def voters(agent, name):
    """Voters, old and next, that vouch for data as far as is known here."""
    return [r["node"] for r in agent.volume(name)["replicas"] if r["role"] not in ("learner", "retired")]


class Watch(threading.Thread):
    """No volume has fewer than three voters, at any look, until stopped."""

    def __init__(self, agent, names):
        super().__init__()
        self.agent, self.names = agent, names
        self.bad, self.looks, self.going = [], 0, True

    def run(self):
        while self.going:
            for name in self.names:
                found = voters(self.agent, name)
                if len(found) < 3:
                    self.bad.append((name, found))
            self.looks += 1
            time.sleep(0.02)

    def stop(self):
        self.going = False
        self.join()


def replicas_on(agent, node):
    return sum(p["replicas"] for p in agent.get("/v1/pools")["pools"] if p["node"] == node)


def test_a_node_is_drained_refused_where_there_is_no_place_and_forgotten(cluster, name):
    a, b, c = (cluster[n] for n in "abc")
    used, idle = name, name + "-idle"
    a.create(used, size="64M")
    a.create(idle, size="64M")
    device = a.attach(used)
    write_blocks(device, 0, 8 * MIB, version=1)
    wait_for("c knows", lambda: len(voters(c, used)) == 3)
    # Three zones, three copies: nothing could go anywhere.
    refused = a.cli("node", "drain", "c", check=False)
    assert refused.returncode == 4, refused
    assert f"volume {used}" in refused.stderr or f"volume {idle}" in refused.stderr
    assert not any(p["draining"] for p in a.get("/v1/pools")["pools"])
    d = cluster.add("d").start()
    wait_for("d's pool", lambda: len([p for p in a.get("/v1/pools")["pools"] if p["state"] == "ok"]) == 4)
    watch = Watch(a, [used, idle])
    watch.start()
    b.cli("node", "drain", "c")
    # Nothing comes to it from now on: the only other three are taken.
    a.create(name + "-new", size="64M")
    assert sorted(voters(a, name + "-new")) == ["a", "b", "d"]
    write_blocks(device, 8 * MIB, 8 * MIB, version=2)
    wait_for("c is empty", lambda: replicas_on(a, "c") == 0, 120, 0.2)
    watch.stop()
    assert watch.looks > 3 and not watch.bad, watch.bad[:5]
    assert sorted(voters(a, used)) == sorted(voters(a, idle)) == ["a", "b", "d"]
    # The steward has gone again, and the volume can be attached by anybody.
    wait_for("idle is detached", lambda: b.volume(idle)["state"] == "detached" and not b.volume(idle)["attached"])
    check_blocks(device, 0, 8 * MIB, version=1)
    check_blocks(device, 8 * MIB, 8 * MIB, version=2)
    b.attach(idle)
    b.detach(idle)
    # A node that is up isn't forgotten.
    assert a.cli("node", "rm", "c", check=False).returncode == 4
    assert "is up" in a.cli("pool", "rm", "c/p", check=False).stderr
    assert b.cli("pool", "rm", "p", check=False).returncode == 4  # in use
    c.cli("pool", "rm", "p")
    wait_for("c's pool is forgotten", lambda: not [p for p in a.get("/v1/pools")["pools"] if p["node"] == "c"])
    c.stop()
    a.cli("node", "rm", "c")
    assert [n["name"] for n in a.get("/v1/nodes")["nodes"]] == ["a", "b", "d"]
    # It comes again, without its pool: what lies there isn't taken.
    c.start(ready=False)
    wait_for("left out", lambda: c.events("pool-left-out"), 30)
    a.detach(used)
    assert d.alive()


def test_a_volume_is_attached_while_its_steward_moves_it(cluster, name):
    a = cluster["a"]
    names = [f"{name}-{i}" for i in range(4)]
    for each in names:
        a.create(each, size="64M")
        write_blocks(a.attach(each), 0, 16 * MIB, version=1)
        a.detach(each)
    cluster.add("d").start()
    wait_for("d's pool", lambda: len([p for p in a.get("/v1/pools")["pools"] if p["state"] == "ok"]) == 4)
    a.cli("node", "drain", "b")
    for i, each in enumerate(names):
        agent = cluster["abcd"[i]]
        wait_for("known", lambda: agent.volume(each))
        device = agent.attach(each)
        check_blocks(device, 0, 16 * MIB, version=1)
        write_blocks(device, 16 * MIB, MIB, version=2)
    wait_for("b is empty", lambda: replicas_on(a, "b") == 0, 120, 0.2)
    for i, each in enumerate(names):
        agent = cluster["abcd"[i]]
        check_blocks(f"/dev/quoin/{each}", 16 * MIB, MIB, version=2)
        agent.detach(each)


def pools_of(agent, node):
    return {p["name"]: p for p in agent.get("/v1/pools")["pools"] if p["node"] == node}


def test_a_drain_that_is_refused_leaves_the_marks_that_were_there(cluster, name):
    a, c = cluster["a"], cluster["c"]
    a.create(name, size="64M")
    spare = c.dir / "spare"
    with open(spare, "wb") as file:
        file.truncate(2 << 30)
    c.cli("pool", "add", "q", str(spare), "--tier", "high")
    wait_for("a sees q", lambda: "q" in pools_of(a, "c"))
    a.cli("pool", "drain", "c/q")
    refused = a.cli("node", "drain", "c", check=False)  # no other zone is left for the volume
    assert refused.returncode == 4 and "nothing is drained" in refused.stderr, refused
    wait_for("the marks", lambda: {n: p["draining"] for n, p in pools_of(a, "c").items()} == {"p": False, "q": True})


def test_a_pool_is_replaced_by_one_of_its_node_then_by_another_nodes_while_its_volumes_are_used(cluster, name):
    a, c = cluster["a"], cluster["c"]
    used, idle = name, name + "-idle"
    a.create(used, size="64M")
    a.create(idle, size="64M")
    device = a.attach(used)
    write_blocks(device, 0, 8 * MIB, version=1)
    new = c.dir / "new"
    with open(new, "wb") as file:
        file.truncate(2 << 30)
    c.cli("pool", "add", "q", str(new), "--tier", "high")
    refused = a.cli("pool", "replace", "c/p", "a/p", check=False)  # a has a copy already
    assert refused.returncode == 4 and "nothing is drained" in refused.stderr, refused
    assert not any(p["draining"] for p in a.get("/v1/pools")["pools"])
    watch = Watch(a, [used, idle])
    watch.start()
    a.cli("pool", "replace", "c/p", "c/q")
    assert pools_of(a, "c")["p"]["replaced_by"] == "c/q"
    # It stands in the catalog: it goes on after the agent was killed.
    c.kill()
    c.start()
    write_blocks(device, 8 * MIB, 8 * MIB, version=2)
    wait_for("p is forgotten", lambda: "p" not in pools_of(a, "c"), 120, 0.2)
    # Its section is in the configuration still: the next start tells so, and calls nothing failed.
    c.stop()
    c.start()
    assert [e["subject"] for e in c.events("pool-left-out")] == ["p"] and not c.events("pool-failed")
    assert list(pools_of(a, "c")) == ["q"]
    # To another node, in a zone that has no copy: d is one of its own.
    cluster.add("d").start()
    wait_for("d's pool", lambda: pools_of(a, "d").get("p", {}).get("state") == "ok")
    told = a.cli("pool", "replace", "c/q", "d/p", "--follow", timeout=120)
    watch.stop()
    assert "c/q: 2 replicas, of 128 MiB, are left to move" in told.stdout, told
    assert "c/q is replaced, and forgotten" in told.stdout, told
    assert watch.looks > 3 and not watch.bad, watch.bad[:5]
    assert not pools_of(a, "c") and pools_of(a, "d")["p"]["replicas"] == 2
    assert sorted(voters(a, used)) == sorted(voters(a, idle)) == ["a", "b", "d"]
    check_blocks(device, 0, 8 * MIB, version=1)
    check_blocks(device, 8 * MIB, 8 * MIB, version=2)
    a.detach(used)
