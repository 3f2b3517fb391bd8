"""What volumes, snapshots and pools say that they use adds up, and is what removals give back."""

import json
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from blockio import write_blocks
from cluster import wait_for

GRAIN = 65536
BLOCKS = GRAIN // 4096


def trim_grains(device, first, count):
    subprocess.run(["blkdiscard", "-o", str(first * GRAIN), "-l", str(count * GRAIN), device], check=True, timeout=60)


def pool_of(agent):
    pools = [p for p in agent.get("/v1/pools")["pools"] if p["local"]]
    assert len(pools) == 1
    return json.loads(agent.cli("pool", "inspect", pools[0]["name"], "--json").stdout)["pool"]


def adds_up(agent):
    """Its pool, once nothing is on its way; the sums are checked at every look."""
    pool = pool_of(agent)
    room = pool["room"]
    assert room["pending_bytes"] >= 0
    if any(replica["used_bytes"] is None for replica in pool["replica_list"]):
        return None  # the catalog's view is newer than the pool's
    known = sum(replica["used_bytes"] for replica in pool["replica_list"])
    assert known + room["unowned_bytes"] == pool["used_bytes"], pool
    parts = pool["used_bytes"] + room["free_bytes"] + room["freeing_bytes"] + room["pending_bytes"]
    assert parts == pool["size_bytes"], pool
    return pool if room["merging_bytes"] == room["pending_bytes"] == 0 else None


def settled(agent):
    return wait_for("nothing on its way", lambda: adds_up(agent))


def snapshots(agent, name):
    answer = json.loads(agent.cli("snapshot", "list", name, "--json").stdout)
    return {s["name"]: (s["used_bytes"], s["own_bytes"]) for s in answer["snapshots"]}


def used(agent, name):
    view = json.loads(agent.cli("volume", "inspect", name, "--json").stdout)["volume"]
    return view["used_bytes"], view["snapshot_bytes"]


def is_used(agent, name, grains, of_it):
    wait_for(f"{grains} grains used, {of_it} by snapshots", lambda: used(agent, name) == (grains * GRAIN, of_it * GRAIN))


def test_usage_adds_up_and_is_what_comes_back(shared, name):
    a = shared["a"]
    before = settled(a)["used_bytes"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 40 * BLOCKS, version=1)
    for agent in shared.agents.values():
        is_used(agent, name, 40, 0)
        assert settled(agent)["used_bytes"] == before + 40 * GRAIN
    a.cli("snapshot", "create", f"{name}@one")
    write_blocks(device, 0, 8 * BLOCKS, version=2)  # whole grains
    write_blocks(device, 8 * BLOCKS, 1, version=2)  # and a block of one
    trim_grains(device, 10, 2)
    is_used(a, name, 49, 40)
    assert snapshots(a, name) == {"one": (40 * GRAIN, 11 * GRAIN)}
    a.cli("snapshot", "create", f"{name}@two")
    write_blocks(device, 0, 4 * BLOCKS, version=3)
    is_used(a, name, 53, 49)
    assert snapshots(a, name) == {"one": (40 * GRAIN, 11 * GRAIN), "two": (9 * GRAIN, 4 * GRAIN)}

    # A clone takes nothing, then what is written; what it stands on gives nothing back.
    clone = f"{name}-clone"
    a.cli("volume", "create", clone, "--from", f"{name}@one")
    is_used(a, clone, 0, 0)
    assert snapshots(a, name)["one"] == (40 * GRAIN, 0)
    write_blocks(a.attach(clone), 0, BLOCKS, version=4)
    is_used(a, clone, 1, 0)
    assert settled(a)["used_bytes"] == before + 54 * GRAIN
    text = a.cli("pool", "inspect", pool_of(a)["name"]).stdout
    assert name in text and "(removed)" in text and "(all)" in text

    # Of another node's pool what is known is the sum.
    other = shared["b"]
    there = pool_of(other)
    told = json.loads(a.cli("pool", "inspect", f"b/{there['name']}", "--json").stdout)["pool"]
    assert told["room"] is None and told["replica_list"]
    assert all(replica["used_bytes"] is None for replica in told["replica_list"])
    assert "unknown" in a.cli("pool", "inspect", f"b/{there['name']}").stdout

    a.detach(clone)
    a.remove(clone)
    wait_for("the clone's room back", lambda: (adds_up(a) or {}).get("used_bytes") == before + 53 * GRAIN)
    for victim in ("one", "two"):
        grains = settled(a)["used_bytes"]
        own = snapshots(a, name)[victim][1]
        assert own > 0
        a.cli("snapshot", "rm", f"{name}@{victim}")
        wait_for(f"the room of {victim} back", lambda: (adds_up(a) or {}).get("used_bytes") == grains - own, seconds=60)
    is_used(a, name, 38, 0)
    page = urllib.request.urlopen(f"http://127.0.0.1:{a.metrics_port}/metrics", timeout=10).read().decode()
    assert f'quoin_replica_used_bytes{{node="a"' in page and "quoin_pool_unowned_bytes" in page
    a.detach(name)
    a.remove(name)
    for agent in shared.agents.values():
        wait_for("all of it back", lambda: (adds_up(agent) or {}).get("used_bytes") == before, seconds=60)


def off_by(agent):
    pool = agent.get("/v1/pools/p")["pool"]
    used = [replica["used_bytes"] for replica in pool["replica_list"]]
    return 0 if None in used else pool["used_bytes"] - pool["room"]["unowned_bytes"] - sum(used)


def test_volumes_that_are_being_removed_are_told_with_their_pool(shared, name):
    a = shared["a"]
    before = settled(a)["used_bytes"]
    names = [f"{name}-{i}" for i in range(16)]
    for victim in names:
        a.create(victim, size="64M")
        write_blocks(a.attach(victim), 0, 16 * BLOCKS, version=1)
        a.detach(victim)
    wait_for("what they use", lambda: (adds_up(a) or {}).get("used_bytes") == before + 16 * 16 * GRAIN)
    with ThreadPoolExecutor(8) as removals:
        running = [removals.submit(a.remove, victim) for victim in names]
        while not all(removal.done() for removal in running):
            for agent in shared.agents.values():
                assert off_by(agent) == 0
        for removal in running:
            removal.result()
    for agent in shared.agents.values():
        wait_for("all of it back", lambda: (adds_up(agent) or {}).get("used_bytes") == before, seconds=60)
