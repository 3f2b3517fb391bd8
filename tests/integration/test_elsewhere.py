"""Six agents, each of which watches the volumes that concern its node and no others: all is seen and done from any."""

import json
import threading
import time

import pytest

from blockio import check_blocks, write_blocks
from cluster import ApiError, Cluster, wait_for

COUNT = 128


@pytest.fixture(scope="module")
def six():
    """a and b have the Docker plugin; what is made `at_home` is on c, d and e."""
    cluster = Cluster()
    try:
        for node in "abcdef":
            cluster.add(node, docker_socket=cluster.dir / f"docker-{node}.sock" if node in "ab" else None)
        cluster.init().start()
        yield cluster
    finally:
        problems = cluster.close()
    assert not problems, problems


def make(agent, name, nodes="c,d,e", **options):
    agent.create(name, size="64M", nodes=nodes, **options)


def watched(agent):
    return int(agent.metric("quoin_watched_volumes"))


def names(agent):
    return [v["name"] for v in agent.get("/v1/volumes")["volumes"]]


def where(agent, name):
    return sorted(r["node"] for r in agent.volume(name)["replicas"] if r["role"] != "retired")


def nothing_left(cluster):
    for agent in cluster.agents.values():
        wait_for(f"{agent.name} watches nothing", lambda: watched(agent) == 0)


def test_each_sees_all_and_watches_its_own(six, name):
    a, b, c, f = (six[n] for n in "abcf")
    volumes = [f"{name}-{i}" for i in range(8)]
    for volume in volumes:
        make(a, volume)
    make(b, f"{name}-f", nodes="d,e,f")
    for node, count in {"a": 0, "b": 0, "c": 8, "d": 9, "e": 9, "f": 1}.items():
        wait_for(f"{node} watches {count}", lambda: watched(six[node]) == count)
    for agent in six.agents.values():
        assert names(agent) == sorted(volumes + [f"{name}-f"])
        assert agent.volume(volumes[3])["name"] == volumes[3] and where(agent, volumes[3]) == ["c", "d", "e"]
        assert agent.get("/v1/status")["volume_states"]["detached"] == 9
        assert agent.get("/v1/classes/default")["class"]["volumes"] == 9
        assert len(agent.get("/v1/pools/c/p")["pool"]["replica_list"]) == 8
        with pytest.raises(ApiError) as none:
            agent.volume(f"{name}-none")
        assert none.value.status == 404
    # Each is counted once.
    assert sum(agent.metric("quoin_volumes", state="detached") for agent in six.agents.values()) == 9
    # As dockerd sees it.
    assert sorted(v["Name"] for v in a.plugin("List")["Volumes"]) == names(c)
    assert a.plugin("Get", Name=volumes[0])["Volume"]["Status"]["state"] == "detached"
    # What was read is gone again.
    assert watched(a) == 0 and watched(b) == 0
    a.create(volumes[0], size="64M")  # the same again
    refused = a.cli("volume", "create", volumes[0], "--size", "1G", check=False)
    assert refused.returncode != 0 and "exists already, with another size" in refused.stderr
    for volume in volumes:
        b.remove(volume)
    f.remove(f"{name}-f")
    assert names(a) == []
    nothing_left(six)


def test_all_is_done_from_elsewhere(six, name):
    a, b, c = (six[n] for n in "abc")
    make(b, name)
    device = a.attach(name)
    assert watched(a) <= 1
    write_blocks(device, 0, COUNT, version=1)
    wait_for("a watches what it holds", lambda: watched(a) == 1)
    assert b.holder(name) == "a"
    with pytest.raises(ApiError) as busy:
        b.attach(name)
    assert "a" in str(busy.value.body)
    b.cli("volume", "resize", name, "128M")
    wait_for("c's view of that", lambda: c.volume(name)["size_bytes"] == 128 << 20)
    b.cli("volume", "set-limits", name, "--iops", "5000")
    a.cli("snapshot", "create", f"{name}@one")
    assert "one" in b.cli("snapshot", "list", name).stdout
    write_blocks(device, 0, 32, version=2)
    # A clone of what is elsewhere, in use on a third node.
    clone = f"{name}-clone"
    b.cli("volume", "create", clone, "--from", f"{name}@one")
    assert json.loads(b.cli("volume", "inspect", clone, "--json").stdout)["volume"]["origin"]["volume"] == name
    copy = b.attach(clone)
    check_blocks(copy, 0, COUNT, version=1)
    refused = a.cli("snapshot", "rm", f"{name}@one", check=False)
    assert refused.returncode != 0 and clone in refused.stderr, refused
    # The snapshot as a device, on a node with no replica and no attachment of it.
    f = six["f"]
    f.cli("volume", "attach", f"{name}@one")
    check_blocks(f"/dev/quoin/{name}@one", 0, COUNT, version=1)
    wait_for("f watches what it reads", lambda: watched(f) == 1)
    f.cli("volume", "detach", f"{name}@one")
    wait_for("f watches it no more", lambda: watched(f) == 0)
    b.detach(clone)
    c.remove(clone)
    a.detach(name)
    wait_for("a watches it no more", lambda: watched(a) == 0)
    # Where it is attached nowhere, from a node with no replica.
    b.cli("snapshot", "create", f"{name}@two")
    b.cli("snapshot", "rollback", f"{name}@one")
    device = b.attach(name)
    check_blocks(device, 0, COUNT, version=1)
    b.detach(name)
    for snapshot in ("one", "two"):
        a.cli("snapshot", "rm", f"{name}@{snapshot}")
    a.remove(name)
    nothing_left(six)


def test_a_dead_holder_is_succeeded_from_elsewhere(six, name):
    a, b, f = (six[n] for n in "abf")
    make(f, name)
    write_blocks(a.attach(name), 0, COUNT, version=1)
    a.kill()
    wait_for("a is down", lambda: next(n for n in b.get("/v1/nodes")["nodes"] if n["name"] == "a")["state"] == "down")
    device = b.attach(name)
    check_blocks(device, 0, COUNT, version=1)
    write_blocks(device, 0, COUNT, version=2)
    a.start()
    wait_for("a has let it go", lambda: watched(a) == 0)
    assert a.holder(name) == "b"
    b.detach(name)
    check_blocks(a.attach(name), 0, COUNT, version=2)
    a.detach(name)
    b.remove(name)
    nothing_left(six)


def test_a_living_holder_is_fenced_from_elsewhere(six, name):
    a, b, f = (six[n] for n in "abf")
    make(f, name)
    write_blocks(a.attach(name), 0, COUNT, version=1)
    b.cli("volume", "attach", name, "--force")
    check_blocks(f"/dev/quoin/{name}", 0, COUNT, version=1)
    wait_for("a has taken it down", lambda: a.volume(name)["attached"]["here"] is False and watched(a) == 0)
    b.detach(name)
    f.remove(name)
    nothing_left(six)


def test_a_group_lies_apart_wherever_its_volumes_are_made(six, name):
    made = []
    for number, agent in enumerate(six.agents.values()):
        agent.create(f"{name}-{number}", size="300M", **{"class": "cassandra"}, group=name)
        made += where(agent, f"{name}-{number}")
    assert sorted(made) == list("abcdef")
    with pytest.raises(ApiError) as refused:
        six["a"].create(f"{name}-more", size="300M", **{"class": "cassandra"}, group=name)
    assert "group" in str(refused.value.body)
    for number in range(6):
        six["a"].remove(f"{name}-{number}")
    nothing_left(six)


def test_a_node_is_drained_and_a_class_followed_from_elsewhere(six, name):
    a, b, c = (six[n] for n in "abc")
    free, pinned = f"{name}-free", f"{name}-pinned"
    make(a, free, nodes="c,d,e,f")
    make(a, pinned)
    replaced = where(a, free)[0]
    # The one that may not move stands in the way, whichever node asks.
    refused = b.cli("node", "drain", "c", check=False)
    assert refused.returncode != 0 and pinned in refused.stderr, refused
    assert not any(p["draining"] for p in a.get("/v1/pools")["pools"])
    a.remove(pinned)
    b.cli("node", "drain", replaced)
    wait_for("it has moved", lambda: replaced not in where(b, free), seconds=60)
    assert len(where(b, free)) == 3
    wait_for("its node watches nothing", lambda: watched(six[replaced]) == 0)
    b.cli("node", "undrain", replaced)
    # Two copies are one less than its class says.
    b.cli("volume", "set-replicas", free, "2")
    wait_for("one has gone", lambda: len(where(b, free)) == 2, seconds=60)
    refused = b.cli("class", "rm", "default", check=False)
    assert refused.returncode != 0
    assert "0" in a.cli("rebalance", "--dry-run").stdout or a.get("/v1/rebalance")["moves"] == []
    b.cli("volume", "set-replicas", free, "3")
    wait_for("it is made", lambda: len(where(b, free)) == 3 and
             all(r["role"] == "voter" for r in a.volume(free)["replicas"] if r["role"] != "retired"), seconds=60)
    b.remove(free)
    nothing_left(six)


def test_without_the_kvdb_what_is_here_is_known(six, name):
    """The last of these: the kvdb is hidden, and comes back."""
    a, b = six["a"], six["b"]
    done = []
    make(b, f"{name}-idle")
    make(b, name)
    device = a.attach(name)
    write_blocks(device, 0, COUNT, version=1)
    wait_for("a watches it", lambda: watched(a) == 1)
    (six.dir / "kvdb.sqlite").rename(six.dir / "kvdb.hidden")
    try:
        wait_for("b notices", lambda: b.events("kvdb-away"))
        wait_for("a notices", lambda: a.events("kvdb-away"))
        assert a.volume(name)["attached"]["here"]
        assert a.plugin("Get", Name=name)["Volume"]["Name"] == name
        assert [v["Name"] for v in a.plugin("List")["Volumes"]] == [name]
        for path in (f"/v1/volumes/{name}", "/v1/volumes"):
            with pytest.raises(ApiError) as away:
                b.get(path)
            assert away.value.status == 503, away.value.body
        assert b.get("/v1/status")["volumes_complete"] is False
        check_blocks(device, 0, COUNT, version=1)
        # Who is asked for a new one, or for an attach, waits for it, longer than for a blink.
        waiting = [threading.Thread(target=lambda: done.append(make(b, f"{name}-later"))),
                   threading.Thread(target=lambda: done.append(b.attach(f"{name}-idle")))]
        for thread in waiting:
            thread.start()
        time.sleep(5)
        assert not done
    finally:
        (six.dir / "kvdb.hidden").rename(six.dir / "kvdb.sqlite")
    for thread in waiting:
        thread.join()
    assert len(done) == 2
    b.detach(f"{name}-idle")
    for volume in (f"{name}-idle", f"{name}-later"):
        a.remove(volume)
    wait_for("b sees it again", lambda: b.holder(name) == "a", seconds=30)
    a.detach(name)
    b.remove(name)
    nothing_left(six)
