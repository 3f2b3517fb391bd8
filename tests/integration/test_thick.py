"""A thick volume beside thin ones that fill its pools to the last grain: all of it can be written; and its room is
kept wherever its replicas come to be."""

import errno
import json
import os

import pytest

from blockio import aligned, block, open_direct
from cluster import Cluster, wait_for

GRAIN = 65536
BLOCKS = GRAIN // 4096
THICK_MIB = 256
MIB = 1 << 20


def content(grain, version):
    return b"".join(block(grain * BLOCKS + i, version) for i in range(BLOCKS))


def write_whole(fd, version, grains):
    """Grain by grain, every third only in part; never without room."""
    for grain in grains:
        data = content(grain, version)
        os.pwrite(fd, aligned(data[:4096] if grain % 3 == 0 else data), grain * GRAIN)


def fill(fd, version, size_mib):
    for grain in range(size_mib * 16):
        try:
            os.pwrite(fd, aligned(content(grain, version)), grain * GRAIN)
        except OSError as e:
            assert e.errno == errno.ENOSPC, e
            return grain
    raise AssertionError("the pools were not filled")


def inspect(agent, *words):
    return json.loads(agent.cli(*words, "--json").stdout)


def volume_of(agent, name):
    return inspect(agent, "volume", "inspect", name)["volume"]


def test_a_thick_volume_is_written_whole_in_full_pools(small, name):
    a = small["a"]
    grains = THICK_MIB * 16
    thick, thin = f"{name}-thick", f"{name}-thin"
    a.cli("volume", "create", thick, "--size", f"{THICK_MIB}M", "--thick", "yes")
    a.create(thin, size="1100M")
    wait_for("the room is kept", lambda: volume_of(a, thick)["kept_bytes"] == THICK_MIB * MIB)
    assert volume_of(a, thick)["policy"]["thick"] and not volume_of(a, thin)["policy"]["thick"]
    fds = {one: open_direct(a.attach(one)) for one in (thick, thin)}

    fill(fds[thin], 1, 1100)
    for agent in small.agents.values():
        pool = inspect(agent, "pool", "inspect", "p")["pool"]
        room = pool["room"]
        assert room["kept_bytes"] == THICK_MIB * MIB and room["free_bytes"] >= room["kept_bytes"], room
        parts = room["free_bytes"] + room["freeing_bytes"] + room["pending_bytes"]
        assert pool["used_bytes"] + parts == pool["size_bytes"]
        wait_for("full by what is used and kept", lambda: agent.events("pool-full"))
    assert "are kept for thick volumes" in a.cli("pool", "inspect", "p").stdout

    # Half of it, a restart of an agent that has a replica, and all of it, twice.
    write_whole(fds[thick], 1, range(grains // 2))
    small["b"].kill()
    small["b"].start()
    write_whole(fds[thick], 2, range(grains))
    wait_for("all is applied", lambda: volume_of(a, thick)["used_bytes"] == THICK_MIB * MIB, seconds=60)
    assert volume_of(a, thick)["kept_bytes"] == 0
    write_whole(fds[thick], 3, range(grains))

    # What would need more than there is is refused, and leaves nothing.
    wait_for("all replicas are in step", lambda: volume_of(a, thick)["state"] == "healthy", seconds=60)
    refused = a.cli("snapshot", "create", f"{thick}@s", check=False)
    assert refused.returncode != 0 and "is thick: a snapshot freezes" in refused.stderr, refused
    assert inspect(a, "snapshot", "list", thick)["snapshots"] == []
    refused = a.cli("volume", "resize", thick, "600M", check=False)
    assert refused.returncode != 0 and "for thick volumes" in refused.stderr, refused
    refused = a.cli("volume", "create", f"{name}-more", "--size", "256M", "--thick", "yes", check=False)
    assert refused.returncode != 0, refused
    assert name + "-more" not in a.cli("volume", "list").stdout

    for grain in range(0, grains, 7):
        where = aligned(bytes(GRAIN))
        assert os.preadv(fds[thick], [where], grain * GRAIN) == GRAIN
        if grain % 3:
            assert bytes(where) == content(grain, 3)
        else:
            assert bytes(where)[:4096] == content(grain, 3)[:4096]
    for fd in fds.values():
        os.close(fd)


def room_kept(cluster):
    return {name: inspect(agent, "pool", "inspect", "p")["pool"]["room"]["kept_bytes"]
            for name, agent in cluster.agents.items() if agent.process}


def with_a_fourth(cluster, **keys):
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    d = cluster.add("d", pool_gib=1)
    d.config.write_text(d.config.read_text().replace("[cluster]\n", "[cluster]\n" + lines))
    d.start()
    wait_for("d's pool is known everywhere", lambda: all(
        len([p for p in agent.get("/v1/pools")["pools"] if p["state"] == "ok"]) == 4 for agent in
        cluster.agents.values()))
    return d


def is_on(agent, name, nodes):
    volume = agent.volume(name)
    return volume["state"] == "healthy" and sorted(r["node"] for r in volume["replicas"]) == sorted(nodes)


def refused(agent, words, *command):
    done = agent.cli(*command, check=False)
    assert done.returncode == 4 and words in done.stderr, (done.returncode, done.stderr)


@pytest.fixture
def rebuilding():
    """Three agents with pools of 1 GiB; who is away for 3 s is replaced."""
    cluster = Cluster()
    for name in "abc":
        agent = cluster.add(name, pool_gib=1)
        agent.config.write_text(agent.config.read_text().replace("[cluster]\n", "[cluster]\nrebuild_after = 3s\n"))
    yield cluster.init().start()
    problems = cluster.close()
    assert not problems, problems


def test_room_is_kept_where_a_replica_comes_and_given_back_where_it_goes(rebuilding, name):
    cluster, a = rebuilding, rebuilding["a"]
    whole = THICK_MIB * MIB
    a.cli("volume", "create", name, "--size", f"{THICK_MIB}M", "--thick", "yes")
    wait_for("kept", lambda: room_kept(cluster) == {"a": whole, "b": whole, "c": whole})
    fd = open_direct(a.attach(name))
    grains = list(range(THICK_MIB * 4))  # a quarter
    write_whole(fd, 1, grains)
    wait_for("applied", lambda: volume_of(a, name)["used_bytes"] == len(grains) * GRAIN, 60)
    kept = whole - len(grains) * GRAIN

    # The only other zone has no room for all of it, as long as another has that.
    with_a_fourth(cluster, rebuild_after="3s")
    other = name + "-other"
    a.cli("volume", "create", other, "--size", "640M", "--thick", "yes", "--replicas", "1", "--selector", "node=d")
    wait_for("d keeps it", lambda: room_kept(cluster)["d"] == 640 * MIB)
    refused(a, "room", "volume", "move-replica", name, "--from", "c", "--to", "d")
    refused(a, "nothing is drained", "node", "drain", "c")
    assert is_on(a, name, "abc") and room_kept(cluster)["d"] == 640 * MIB
    a.cli("volume", "rm", other)
    wait_for("d has given it back", lambda: room_kept(cluster)["d"] == 0)

    # Moved, drained, replaced.
    a.cli("volume", "move-replica", name, "--from", "c", "--to", "d")
    wait_for("moved", lambda: is_on(a, name, "abd"), 60)
    wait_for("kept there, and given back", lambda: room_kept(cluster) == {"a": kept, "b": kept, "c": 0, "d": kept})
    a.cli("pool", "drain", "b/p")
    wait_for("drained", lambda: is_on(a, name, "acd"), 60)
    wait_for("kept there, and given back", lambda: room_kept(cluster) == {"a": kept, "b": 0, "c": kept, "d": kept})
    a.cli("pool", "undrain", "b/p")
    cluster["d"].kill()
    wait_for("replaced", lambda: room_kept(cluster) == {"a": kept, "b": kept, "c": kept}, 60)
    cluster["d"].start()
    wait_for("given back", lambda: room_kept(cluster) == {"a": kept, "b": kept, "c": kept, "d": 0} and
             is_on(a, name, "abc"), 60)

    # And all of it is there, and can be written.
    where = aligned(bytes(GRAIN))
    assert os.preadv(fd, [where], grains[-2] * GRAIN) == GRAIN and bytes(where) == content(grains[-2], 1)
    write_whole(fd, 2, range(THICK_MIB * 16))
    wait_for("nothing is left to be kept", lambda: not any(room_kept(cluster).values()), 60)
    os.close(fd)


def test_room_is_kept_for_shards_and_clones(small, name):
    a = small["a"]
    with_a_fourth(small)
    a.cli("volume", "create", name, "--size", f"{THICK_MIB}M", "--thick", "yes", "--shards", "2")
    shard = THICK_MIB * MIB // 2

    def kept_by_shards():
        kept = dict.fromkeys("abcd", 0)
        for replica in a.volume(name)["replicas"]:
            kept[replica["node"]] += shard
        return kept

    wait_for("kept for each shard", lambda: room_kept(small) == kept_by_shards())
    assert sum(room_kept(small).values()) == 3 * THICK_MIB * MIB
    nodes = [{r["node"] for r in a.volume(name)["replicas"] if r["shard"] == n} for n in range(2)]
    comes, goes = ({*"abcd"} - nodes[1]).pop(), min(nodes[1])
    a.attach(name)
    a.cli("volume", "move-replica", name, "--from", f"{goes}#1", "--to", comes)
    wait_for("moved", lambda: {r["node"] for r in a.volume(name)["replicas"] if r["shard"] == 1}
             == nodes[1] - {goes} | {comes}, 60)
    wait_for("kept there, and given back", lambda: room_kept(small) == kept_by_shards())
    a.detach(name)
    a.cli("volume", "rm", name)
    wait_for("all is given back", lambda: not any(room_kept(small).values()))

    # A clone keeps its whole size beside what it shares with its origin, or is not made.
    origin, clone = name + "-origin", name + "-clone"
    a.create(origin, size="500M")
    fd = open_direct(a.attach(origin))
    write_whole(fd, 1, range(64))
    os.close(fd)
    a.cli("snapshot", "create", f"{origin}@s")
    a.cli("volume", "create", clone, "--from", f"{origin}@s", "--thick", "yes")
    on = sorted(r["node"] for r in a.volume(origin)["replicas"])
    wait_for("kept", lambda: {n for n, kept in room_kept(small).items() if kept == 500 * MIB} == {*on})
    refused(a, "room", "volume", "create", clone + "-2", "--from", f"{origin}@s", "--thick", "yes")
    assert not [v for v in a.get("/v1/volumes")["volumes"] if v["name"] == clone + "-2"]
    fd = open_direct(a.attach(clone))
    write_whole(fd, 2, range(32))
    one = small[on[0]]  # what it uses is known where a replica is
    wait_for("a grain of its own leaves what is kept", lambda: volume_of(one, clone)["used_bytes"] == 32 * GRAIN
             and volume_of(one, clone)["kept_bytes"] == 500 * MIB - 32 * GRAIN, 60)
    os.close(fd)
