"""Classes seen from outside; creates from three agents at once."""

import re
import threading
import time

import pytest

from blockio import check_blocks, write_blocks
from cluster import ApiError, wait_for

MIB = 1 << 20


def create_all(agents, names, size, after_start=lambda: None):
    """All at once, each from the next agent: the names that were answered with success, and the refusals."""
    made, refused, lost = [], [], []

    def one(agent, name):
        try:
            agent.create(name, size=size)
            made.append(name)
        except ApiError as e:
            refused.append(e)
        except OSError:
            lost.append(name)

    threads = [threading.Thread(target=one, args=(agents[i % len(agents)], n)) for i, n in enumerate(names)]
    for thread in threads:
        thread.start()
    after_start()
    for thread in threads:
        thread.join()
    return made, refused, lost


def promised(agent):
    return [p["provisioned_bytes"] for p in agent.get("/v1/pools")["pools"]]


def listed(agent, prefix):
    return [v for v in agent.get("/v1/volumes")["volumes"] if v["name"].startswith(prefix)]


def test_a_hundred_creates_fill_the_pools_and_no_more(cluster, name):
    """A pool may be promised twice: so many volumes of 256 MiB, and not one more."""
    agents = [cluster[n] for n in "abc"]
    pools = agents[0].get("/v1/pools")["pools"]
    room = min(2 * p["size_bytes"] // (256 * MIB) for p in pools)
    made, refused, lost = create_all(agents, [f"{name}-{i}" for i in range(100)], "256M")
    assert not lost
    assert len(made) == room and len(refused) == 100 - room, (len(made), len(refused), refused[:1])
    assert all("needs 3 zones" in str(e) and "what would help" in str(e) for e in refused)
    for agent in agents:
        wait_for("all of them known", lambda: sorted(v["name"] for v in listed(agent, name)) == sorted(made))
        assert promised(agent) == [room * 256 * MIB] * 3
    assert all(len({r["zone"] for r in v["replicas"]}) == 3 for v in listed(agents[0], name))


def test_a_create_under_kill_9_is_whole_or_not_there(cluster, name):
    agents = [cluster[n] for n in "abc"]

    def kill_one():
        time.sleep(0.4)
        cluster["b"].kill()

    made, refused, _ = create_all(agents, [f"{name}-{i}" for i in range(12)], "64M", kill_one)
    cluster["b"].start()
    wait_for("three pools", lambda: [p["state"] for p in agents[0].get("/v1/pools")["pools"]] == ["ok"] * 3)
    volumes = listed(agents[0], name)
    assert set(made) <= {v["name"] for v in volumes}, "an answered create is lost"
    assert all(len(v["replicas"]) == 3 for v in volumes)
    assert promised(agents[0]) == [64 * MIB * len(volumes)] * 3, "a reservation without its volume"
    last = volumes[-1]["name"]
    agents[2].attach(last)
    wait_for("healthy", lambda: agents[2].volume(last)["state"] == "healthy", 60)
    agents[2].detach(last)


def test_classes_make_different_volumes_and_are_checked(cluster, name):
    a = cluster["a"]
    a.create(name + "-pg", size="320M", **{"class": "postgres"})
    a.create(name + "-cs", size="320M", **{"class": "cassandra"})
    pg, cs = a.volume(name + "-pg"), a.volume(name + "-cs")
    assert (pg["fs"], len(pg["replicas"]), pg["policy"]["tier"], pg["policy"]["on_no_quorum"]) == \
        ("ext4", 3, ">=medium", "queue")
    assert (cs["fs"], len(cs["replicas"]), cs["policy"]["tier"], cs["policy"]["on_no_quorum"]) == \
        ("xfs", 1, "any", "error 10s")
    said = a.cli("class", "set", "cassandra", "replicas=3").stdout
    assert f"volume {name}-cs isn't as class cassandra says: it has 1 replica, and is to have 3" in said
    assert "version = 2" in cluster["a"].cli("class", "show", "cassandra").stdout
    with pytest.raises(ApiError, match="1 by now|2 by now|has version"):
        a.request("POST", "/v1/classes", {"text": "[class cassandra]\nversion = 1\n"})
    with pytest.raises(ApiError, match="is used by 1 volume"):
        a.request("DELETE", "/v1/classes/postgres")
    refused = a.cli("place", "--explain", "--replicas", "5", "--size", "64M", check=False)
    assert refused.returncode == 4
    assert "what would help: a pool in 2 more zones, or replicas=3" in refused.stderr


def test_options_choose_places_and_hold_a_volume(cluster, name):
    a = cluster["a"]
    a.cli("volume", "create", name, "--size", "64M", "--replicas", "1", "--nodes", "b", "--sticky", "yes")
    volume = a.volume(name)
    assert [r["node"] for r in volume["replicas"]] == ["b"] and volume["policy"]["sticky"]
    refused = a.cli("volume", "rm", name, check=False)
    assert refused.returncode == 4 and f"`quoin volume set-sticky {name} no` first" in refused.stderr
    assert a.cli("volume", "set-sticky", name, "perhaps", check=False).returncode == 2
    a.cli("volume", "set-sticky", name, "no")
    a.cli("volume", "rm", name)
    # A ring: no node has replicas of two of its volumes.
    ring = [f"{name}-{i}" for i in range(3)]
    for one in ring:
        a.create(one, size="320M", replicas=1, group=name, **{"class": "cassandra"})
    assert len({a.volume(one)["replicas"][0]["node"] for one in ring}) == 3
    with pytest.raises(ApiError, match="group"):
        a.create(name + "-3", size="320M", replicas=1, group=name, **{"class": "cassandra"})
    with pytest.raises(ApiError, match="with a low pool"):
        a.create(name + "-low", size="64M", tier="low")
    with pytest.raises(ApiError, match="selector|zone=nowhere"):
        a.create(name + "-far", size="64M", zones="nowhere")
    with pytest.raises(ApiError, match="another selector"):
        a.create(ring[0], zones="a")
    for one in ring:
        a.remove(one)


def nodes_of(agent, name):
    return sorted(r["node"] for r in agent.volume(name)["replicas"] if r["role"] == "voter")


def test_a_zone_that_changes_is_told_and_class_check_mends_it_while_the_volume_is_used(cluster, name):
    a, c = cluster["a"], cluster["c"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 4 * 256, version=1)
    assert a.volume(name)["breach"] is None
    assert name not in a.cli("class", "check", "default").stdout
    c.stop()
    c.config.write_text(c.config.read_text().replace("zone = c\n", "zone = a\n"))
    c.start()
    told = wait_for("it is told", lambda: c.events("volume-breaks-class"))
    why = told[0]["text"].partition(";")[0]
    assert told[0]["subject"] == name and re.fullmatch("nodes (a and c|c and a) are in one zone", why), told
    wait_for("inspect says so", lambda: a.volume(name)["breach"] == why)
    assert f"breach      {why}; `quoin class check default --apply` mends it" in a.cli("volume", "inspect", name).stdout
    cluster.add("d").start()
    wait_for("d's pool", lambda: len([p for p in a.get("/v1/pools")["pools"] if p["state"] == "ok"]) == 4)
    a.cli("class", "check", "default", "--apply")
    wait_for("it has moved", lambda: nodes_of(a, name) == ["a", "b", "d"], 60)
    wait_for("all is well", lambda: a.volume(name)["breach"] is None)
    check_blocks(device, 0, 4 * 256, version=1)
    a.detach(name)


def test_class_check_takes_nothing_back_that_a_user_asked_for(cluster, name):
    a = cluster["a"]
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 256, version=1)
    a.cli("volume", "set-replicas", name, "2")
    wait_for("two", lambda: len(nodes_of(a, name)) == 2, 60)
    a.cli("class", "check", "default", "--apply")
    time.sleep(3)
    assert len(nodes_of(a, name)) == 2 and a.volume(name)["breach"] is None
    # A class that changes moves what has no wish of its own, and only that.
    other = name + "-other"
    a.create(other, size="64M")
    a.attach(other)
    changed = a.cli("class", "set", "default", "replicas=1", "--apply", check=False)
    assert changed.returncode == 0 and other in changed.stdout and f"{name} " not in changed.stdout, changed
    wait_for("one less", lambda: len(nodes_of(a, other)) == 2, 60)
    a.cli("class", "check", "default", "--apply")
    wait_for("one", lambda: len(nodes_of(a, other)) == 1, 60)
    assert len(nodes_of(a, name)) == 2
    a.cli("class", "set", "default", "replicas=3", "--apply")
    wait_for("one more", lambda: len(nodes_of(a, other)) == 2, 60)
    a.cli("class", "check", "default", "--apply")
    wait_for("three", lambda: len(nodes_of(a, other)) == 3, 60)
    check_blocks(device, 0, 256, version=1)
    a.detach(name)
    a.detach(other)


def test_a_volume_has_a_copy_near_the_node_that_was_named_however_full_it_is(cluster, name):
    a = cluster["a"]
    cluster.add("d", zone="c").start()
    wait_for("d's pool", lambda: len([p for p in a.get("/v1/pools")["pools"] if p["state"] == "ok"]) == 4)
    for i in range(3):
        a.create(f"{name}-{i}", size="256M", near="d")
        assert "d" in nodes_of(a, f"{name}-{i}")
    a.create(f"{name}-far", size="64M")
    assert "c" in nodes_of(a, f"{name}-far")  # the emptier one of the zone
    refused = a.cli("volume", "create", f"{name}-x", "--near", "nobody", check=False)
    assert refused.returncode == 2 and 'option near: there is no node "nobody"' in refused.stderr, refused
