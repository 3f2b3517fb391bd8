"""Volumes of several shards: larger than each pool, and in everything else like any other.

Three agents, each of two data-plane threads and two pools of 1 GiB; a has the Docker plugin."""

import json
import mmap
import os
import pathlib
import struct
import subprocess
import threading
import time
import urllib.request

import pytest

from blockio import BLOCK, aligned, block, check_blocks, fio, open_direct, write_blocks
from cluster import QUOIN, QUOIND, ApiError, Cluster, wait_for

MIB = 256  # blocks
GIB = 1 << 30
STRIPE = MIB  # blocks, of 1 MiB


def striped_agents(**keys):
    cluster = Cluster()
    try:
        for name in "abc":
            add(cluster, name, **keys)
        cluster.init().start()
        yield cluster
    finally:
        problems = cluster.close()
    assert not problems, problems


def add(cluster, name, **keys):
    agent = cluster.add(name, threads=2, pool_gib=1, docker_socket=cluster.dir / "docker.sock" if name == "a" else None)
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    agent.config.write_text(agent.config.read_text().replace("[cluster]\n", "[cluster]\n" + lines))
    return agent


@pytest.fixture(scope="module")
def shared():
    yield from striped_agents()


@pytest.fixture
def cluster():
    yield from striped_agents(rebuild_after="3s", steward_after="1s")


def shards_of(agent, name):
    """Of each shard where its replicas are: {node: pool}."""
    volume = agent.volume(name)
    shards = [{} for _ in volume["shards"]]
    for replica in volume["replicas"]:
        if replica["role"] != "retired":
            assert replica["node"] not in shards[replica["shard"]], volume["replicas"]
            shards[replica["shard"]][replica["node"]] = replica["pool"]
    return shards


def healthy(agent, name, seconds=120):
    wait_for(f"{name} healthy", lambda: agent.volume(name)["state"] == "healthy", seconds, 0.2)


def with_a_fourth(cluster):
    add(cluster, "d", rebuild_after="3s", steward_after="1s").start()
    for agent in cluster.agents.values():
        if agent.process:
            wait_for("d's pools", lambda: len([p for p in agent.get("/v1/pools")["pools"]
                                               if p["state"] == "ok" and p["node"] == "d"]) == 2)
    return cluster["d"]


def used_mib(agent):
    """On its own pools: of the others' it is told now and then."""
    return sum(pool["used_bytes"] for pool in agent.get("/v1/pools")["pools"] if pool["node"] == agent.name) >> 20


def test_a_volume_is_larger_than_each_pool(shared, name):
    a, b = shared["a"], shared["b"]
    assert all(p["size_bytes"] <= GIB for p in a.get("/v1/pools")["pools"])
    found = json.loads(a.cli("place", "--size", "2400M", "--shards", "3", "--json").stdout)["place"]
    assert found["found"] and found["shards"] == 3 and found["size_bytes"] == 800 << 20, found
    a.create(name, size="2400M", shards=3)
    a.create(name, size="2400M", shards="3")  # the same again
    with pytest.raises(ApiError) as error:
        a.create(name, size="2400M", shards="2")
    assert "another number of shards" in error.value.text
    shards = shards_of(a, name)
    assert len(shards) == 3 and all(sorted(shard) == ["a", "b", "c"] for shard in shards)
    # They are spread over the pools.
    assert {shard["a"] for shard in shards} == {"p", "p1"}
    device = a.attach(name)
    end = 2400 * MIB
    write_blocks(device, 0, 24 * MIB, version=1)
    write_blocks(device, end - 24 * MIB, 24 * MIB, version=2)
    write_blocks(device, 40 * MIB + 7, 16 * MIB, version=3)  # each fourth request crosses the end of a stripe
    check_blocks(device, 0, 24 * MIB, version=1)
    check_blocks(device, end - 24 * MIB, 24 * MIB, version=2)
    check_blocks(device, 40 * MIB + 7, 16 * MIB, version=3, batch=50)
    fio("--filename=" + device, "--rw=randrw", "--bs=4k-256k", "--bs_unaligned=0", "--direct=1", "--ioengine=libaio",
        "--iodepth=16", "--offset=1G", "--size=64M", "--io_size=96M", "--verify=crc32c")
    # Each shard of each replica has its part.
    wait_for("usage", lambda: all((r["used_bytes"] or 0) > 20 << 20 for r in a.volume(name)["replicas"]
                                  if r["node"] == "a"))
    volume = a.volume(name)
    assert volume["stripe_bytes"] == 1 << 20 and volume["membership"] is None
    assert volume["used_bytes"] == sum(r["used_bytes"] for r in volume["replicas"] if r["node"] == "a")
    told = a.cli("volume", "inspect", name).stdout
    assert "shards      3, in stripes of 1 MiB" in told and "voter of shard 2" in told
    page = urllib.request.urlopen(f"http://127.0.0.1:{a.metrics_port}/metrics", timeout=10).read().decode()
    assert sum(f'volume="{name}"' in line and line.startswith("quoin_replica_state") and line.endswith(" 1")
               for line in page.splitlines()) == 9
    a.detach(name)
    wait_for("b sees that", lambda: b.holder(name) is None)
    device = b.attach(name)
    check_blocks(device, 0, 24 * MIB, version=1)
    check_blocks(device, end - 24 * MIB, 24 * MIB, version=2)
    b.detach(name)
    b.remove(name)
    wait_for("all is given back", lambda: all(p["replicas"] == 0 and p["provisioned_bytes"] == 0
                                              for p in a.get("/v1/pools")["pools"]))


def test_auto_takes_as_few_shards_as_do(shared, name):
    a = shared["a"]
    small, large = name + "-s", name + "-l"
    a.create(small, size="256M", shards="auto")
    a.create(large, size="1500M", shards="auto")
    assert len(a.volume(small)["shards"]) == 1
    assert len(a.volume(large)["shards"]) == 4  # no more than half of a pool each
    for each in small, large:
        a.remove(each)
    a.cli("class", "set", "scratch", "shards=2")
    assert "shards = 2" in a.cli("class", "show", "scratch").stdout
    a.create(name, size="128M", **{"class": "scratch"})
    assert len(a.volume(name)["shards"]) == 2
    a.remove(name)
    a.cli("class", "set", "scratch", "shards=1")
    assert "shards" not in a.cli("class", "show", "scratch").stdout
    refused = a.cli("volume", "create", name, "--size", "32M", "--shards", "64", check=False)
    assert refused.returncode == 2 and "fewer shards" in refused.stderr, refused


def version_at(path, number):
    fd = open_direct(path, os.O_RDONLY)
    try:
        memory = mmap.mmap(-1, BLOCK)
        assert os.preadv(fd, [memory], number * BLOCK) == BLOCK
    finally:
        os.close(fd)
    return struct.unpack("<QQ", memory[:16])[1]


def test_a_snapshot_is_one_point_in_time_and_a_rollback_goes_back_to_it(shared, name):
    a, b = shared["a"], shared["b"]
    a.create(name, size="192M", shards=3)
    device = a.attach(name)
    write_blocks(device, 0, 12 * STRIPE, version=1)
    going, taken = True, []

    def load():
        """One block after the other, each on the next shard: what is missing can only be at the end."""
        fd, version = open_direct(device), 2
        try:
            while going:
                at = version % 3 * STRIPE
                os.pwritev(fd, [aligned(block(at, version))], at * BLOCK)
                version += 1
        finally:
            os.close(fd)

    writer = threading.Thread(target=load)
    writer.start()
    for i in range(5):
        a.cli("snapshot", "create", f"{name}@s{i}")
        taken.append(f"{name}@s{i}")
    going = False
    writer.join()
    for snapshot in taken:
        wait_for("b sees it", lambda: snapshot.split("@")[1] in b.cli("snapshot", "list", name).stdout)
        b.cli("volume", "attach", snapshot)
        view = f"/dev/quoin/{snapshot}"
        versions = sorted(version_at(view, s * STRIPE) for s in range(3))
        assert versions[2] - versions[0] == 2, (snapshot, versions)
        check_blocks(view, 3 * STRIPE, 9 * STRIPE, version=1)
        b.cli("volume", "detach", snapshot)
    write_blocks(device, 0, 12 * STRIPE, version=9)
    # A clone, beside it.
    a.cli("volume", "create", name + "-c", "--from", f"{name}@s0")
    assert len(a.volume(name + "-c")["shards"]) == 3
    copy = a.attach(name + "-c")
    check_blocks(copy, 3 * STRIPE, 9 * STRIPE, version=1)
    write_blocks(copy, 3 * STRIPE, STRIPE, version=5)
    check_blocks(device, 0, 12 * STRIPE, version=9)
    a.detach(name + "-c")
    a.remove(name + "-c")
    refused = a.cli("snapshot", "rollback", f"{name}@s1", check=False)
    assert refused.returncode == 4 and "detach it first" in refused.stderr
    a.detach(name)
    a.cli("snapshot", "rollback", f"{name}@s1")
    device = a.attach(name)
    check_blocks(device, 3 * STRIPE, 9 * STRIPE, version=1)
    assert version_at(device, 0) != 9
    a.detach(name)
    for snapshot in taken:
        a.cli("snapshot", "rm", snapshot)
    a.remove(name)


def test_it_grows_while_it_is_used(shared, name):
    a = shared["a"]
    a.create(name, size="100M", shards=3)
    device = a.attach(name)
    write_blocks(device, 0, 100 * MIB, version=1)
    a.cli("volume", "resize", name, "500M")
    wait_for("the device", lambda: int(subprocess.run(["blockdev", "--getsize64", device], capture_output=True, text=True,
                                                      check=True).stdout) == 500 << 20)
    write_blocks(device, 100 * MIB, 400 * MIB, version=2)
    check_blocks(device, 0, 100 * MIB, version=1)
    check_blocks(device, 100 * MIB, 400 * MIB, version=2)
    a.detach(name)
    a.remove(name)


def test_fstrim_gives_space_back(shared, name):
    a = shared["a"]
    a.plugin("Create", Name=name, Opts={"size": "1200M", "aggregation_level": "3"})
    path = pathlib.Path(a.plugin("Mount", Name=name, ID="1")["Mountpoint"])
    wait_for("it is told", lambda: used_mib(a) > 0)
    before = used_mib(a)
    (path / "large").write_bytes(os.urandom(96 << 20))
    subprocess.run(["sync", "-f", str(path)], check=True, timeout=60)
    wait_for("it takes room", lambda: used_mib(a) >= before + 96)
    (path / "large").unlink()
    subprocess.run(["sync", "-f", str(path)], check=True, timeout=60)
    subprocess.run(["fstrim", str(path)], check=True, timeout=60)
    wait_for("it is given back", lambda: used_mib(a) < before + 8)
    a.plugin("Unmount", Name=name, ID="1")
    a.remove(name)


def test_nbd_tells_holes_of_the_volume_and_of_its_snapshots(shared, name, tmp_path):
    a = shared["a"]
    a.create(name, size="192M", shards=3)
    a.request("POST", f"/v1/volumes/{name}/serve-nbd", {})
    source = tmp_path / "source"
    with open(source, "wb") as f:
        f.truncate(192 << 20)
        for at in (0, 5 << 20, (100 << 20) + 4096, 191 << 20):
            f.seek(at)
            f.write(os.urandom(1500 * 1024 if at < 191 << 20 else 1 << 20))
    uri = "nbd+unix:///?socket=" + a.volume(name)["attached"]["device"]
    subprocess.run(["nbdcopy", "--destination-is-zero", source, uri], check=True, timeout=60)
    a.cli("snapshot", "create", f"{name}@one")
    a.cli("volume", "serve-nbd", f"{name}@one")
    listed = json.loads(a.cli("snapshot", "list", name, "--json").stdout)["snapshots"]
    device = next(s["device"] for s in listed if s["name"] == "one")
    for socket in uri, "nbd+unix:///?socket=" + device:
        back = tmp_path / "back"
        subprocess.run(["nbdcopy", socket, back], check=True, timeout=60)
        assert source.read_bytes() == back.read_bytes()
        back.unlink()
        extents = json.loads(subprocess.run(["nbdinfo", "--map", "--json", socket], check=True, timeout=60,
                                            capture_output=True).stdout)
        assert sum(e["length"] for e in extents) == 192 << 20
    # Of the snapshot all shards tell; of the volume those whose replica is on its own thread.
    used = sum(e["length"] for e in extents if e["type"] == 0)
    assert 5500 * 1024 <= used <= 5600 * 1024 + 8 * 65536, used
    a.cli("volume", "detach", f"{name}@one")
    a.detach(name)
    a.cli("snapshot", "rm", f"{name}@one")
    a.remove(name)


def test_the_limits_are_the_whole_volume_s(shared, name):
    a = shared["a"]
    a.create(name, size="192M", shards=3)
    device = a.attach(name)
    a.cli("volume", "set-limits", name, "--iops", "200")
    wait_for("set", lambda: a.volume(name)["limits"]["iops"] == 200)
    told = json.loads(fio("--filename=" + device, "--rw=randwrite", "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=32",
                          "--time_based", "--runtime=6", "--output-format=json"))
    assert 100 < told["jobs"][0]["write"]["iops"] < 280, told["jobs"][0]["write"]["iops"]
    a.detach(name)
    a.remove(name)


def test_it_survives_an_agent_that_is_killed_and_fails_over(cluster, name):
    a, b, c = (cluster[n] for n in "abc")
    a.create(name, size="1200M", shards=3)
    device = a.attach(name)
    write_blocks(device, 0, 30 * MIB, version=1)
    c.kill()
    write_blocks(device, 30 * MIB, 30 * MIB, version=2)
    write_blocks(device, 7, 3 * MIB, version=3)
    c.start()
    healthy(a, name)
    # What c has missed it has now: with another one away it counts.
    b.kill()
    check_blocks(device, 30 * MIB, 30 * MIB, version=2)
    write_blocks(device, 60 * MIB, 3 * MIB, version=4)
    b.start()
    healthy(a, name)
    a.kill()
    wait_for("b takes it", lambda: b.attach(name), 60, 0.5)
    device = f"/dev/quoin/{name}"
    check_blocks(device, 7, 3 * MIB, version=3)
    check_blocks(device, 30 * MIB, 30 * MIB, version=2)
    check_blocks(device, 60 * MIB, 3 * MIB, version=4)
    write_blocks(device, 63 * MIB, 3 * MIB, version=5)
    a.start()
    healthy(b, name)
    b.detach(name)


def test_members_move_shard_by_shard(cluster, name):
    a, c = cluster["a"], cluster["c"]
    a.create(name, size="1200M", shards=3)
    device = a.attach(name)
    write_blocks(device, 0, 60 * MIB, version=1)
    with_a_fourth(cluster)
    # All three have a replica on b: one is named.
    refused = a.cli("volume", "move-replica", name, "--from", "b", "--to", "d", check=False)
    assert refused.returncode == 2 and "replicas of 3 shards" in refused.stderr, refused
    a.cli("volume", "move-replica", name, "--from", "b#1", "--to", "d")
    wait_for("moved", lambda: [sorted(s) for s in shards_of(a, name)] ==
             [["a", "b", "c"], ["a", "c", "d"], ["a", "b", "c"]], 120, 0.2)
    healthy(a, name)
    write_blocks(device, 60 * MIB, 9 * MIB, version=2)
    # A node is emptied.
    a.cli("node", "drain", "c")
    wait_for("c is empty", lambda: not any("c" in s for s in shards_of(a, name)), 120, 0.2)
    healthy(a, name)
    a.cli("node", "undrain", "c")
    # One that stays away is replaced, on all shards.
    cluster["b"].kill()
    wait_for("b is replaced", lambda: all(sorted(s) == ["a", "c", "d"] for s in shards_of(a, name)), 120, 0.2)
    healthy(a, name)
    write_blocks(device, 69 * MIB, 3 * MIB, version=3)
    a.detach(name)
    # Nobody has it attached: a steward moves what is on d.
    cluster["b"].start()
    wait_for("b's pools", lambda: len([p for p in a.get("/v1/pools")["pools"]
                                       if p["state"] == "ok" and p["node"] == "b"]) == 2)
    a.cli("node", "drain", "d")
    wait_for("d is empty", lambda: not any("d" in s for s in shards_of(a, name)), 120, 0.2)
    wait_for("nobody holds it", lambda: not c.volume(name)["steward"], 60)
    device = c.attach(name)
    check_blocks(device, 0, 60 * MIB, version=1)
    check_blocks(device, 60 * MIB, 9 * MIB, version=2)
    check_blocks(device, 69 * MIB, 3 * MIB, version=3)
    c.detach(name)


def test_the_number_of_replicas_is_every_shard_s(cluster, name):
    a = cluster["a"]
    a.create(name, size="192M", shards=3, replicas=1)
    device = a.attach(name)
    write_blocks(device, 0, 12 * MIB, version=1)
    for count in (2, 3, 2):
        a.cli("volume", "set-replicas", name, str(count))
        wait_for(f"{count} replicas", lambda: all(len(s["voters"]) == count and not s["joint"] and not s["learners"]
                                                  for s in a.volume(name)["shards"]), 120, 0.2)
        healthy(a, name)
    assert a.volume(name)["policy"]["replicas"] == 2 and a.volume(name)["breach"] is None
    check_blocks(device, 0, 12 * MIB, version=1)
    a.detach(name)


def test_the_last_resort_puts_the_shards_together(cluster, name, tmp_path):
    a = cluster["a"]
    a.create(name, size="96M", shards=3)
    device = a.attach(name)
    write_blocks(device, 0, 9 * STRIPE, version=1)
    write_blocks(device, 90 * STRIPE + 7, STRIPE, version=2)
    healthy(a, name)
    volume = a.volume(name)
    a.detach(name)
    for agent in cluster.agents.values():
        agent.stop()
    pools = [path for agent in (cluster["b"], cluster["c"]) for path in (str(agent.pool), f"{agent.pool}1")]
    tool = QUOIND.parent.parent / "tools" / "quoin-pool"

    def salvage(out, *words):
        return subprocess.run([str(tool), "salvage", volume["uuid"], str(out), *pools, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)

    refused = salvage(tmp_path / "none")
    assert refused.returncode == 4 and "--shards" in refused.stderr, refused
    assert not (tmp_path / "none").exists()
    groups = [shard["group"] for shard in volume["shards"]]
    done = salvage(tmp_path / "all", "--shards=1M:" + ",".join(groups))
    assert done.returncode == 0, done
    with open(tmp_path / "all", "rb") as file:
        for i in range(96 * STRIPE):
            version = 1 if i < 9 * STRIPE else 2 if 90 * STRIPE + 7 <= i < 91 * STRIPE + 7 else 0
            assert file.read(BLOCK) == (block(i, version) if version else bytes(BLOCK)), i
        assert not file.read()
    # In another order it is another volume: the order is the user's word.
    other = salvage(tmp_path / "other", "--shards=1M:" + ",".join(reversed(groups)))
    assert other.returncode == 0
    with open(tmp_path / "other", "rb") as file:
        assert file.read(BLOCK) == block(2 * STRIPE, 1)


def test_a_rollback_that_was_cut_short_is_finished_before_anything_else(cluster, name):
    a, b, c = (cluster[n] for n in "abc")
    a.create(name, size="64M", shards=2)
    first, second = shards_of(a, name)
    assert all(first[node] != second[node] for node in "abc"), (first, second)
    device = a.attach(name)
    write_blocks(device, 0, 4 * STRIPE, version=1)
    a.cli("snapshot", "create", f"{name}@s")
    write_blocks(device, 0, 4 * STRIPE, version=2)
    healthy(a, name)
    a.detach(name)
    # The disks of the second shard become slow, so that the first one is rolled back alone for a while.
    for agent in a, b, c:
        agent.stop()
        begin = f"[pool {second[agent.name]}]\n"
        agent.config.write_text(agent.config.read_text().replace(begin, begin + "faults = delay:write=2s\n"))
    for agent in a, b, c:
        agent.start()

    def state():
        return json.loads(b.cli("snapshot", "list", name, "--json").stdout)["snapshots"][0]["state"]

    wait_for("b sees it", lambda: state() == "ready")
    rollback = subprocess.Popen([str(QUOIN), "snapshot", "rollback", f"{name}@s"],
                                env=dict(os.environ, QUOIN_SOCKET=str(a.socket)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("it has begun", lambda: state() == "restoring", 60, 0.02)
    time.sleep(0.5)
    a.kill()
    assert rollback.wait(20) != 0
    assert state() == "restoring"
    for agent in a, b, c:  # the disks are as before
        if agent is not a:
            agent.stop()
        agent.config.write_text(agent.config.read_text().replace("faults = delay:write=2s\n", ""))
        agent.start()

    def reason(agent, *words):
        return wait_for("the reason", lambda: [e for e in [agent.cli(*words, check=False).stderr] if "half rolled back" in e],
                        60, 0.5)[0]

    assert f"`quoin snapshot rollback {name}@s` finishes that" in reason(b, "volume", "attach", name)
    assert f"`quoin snapshot rollback {name}@s` finishes that" in reason(a, "snapshot", "create", f"{name}@t")
    reason(a, "snapshot", "rm", f"{name}@s")
    assert state() == "restoring"
    wait_for("it is finished", lambda: b.cli("snapshot", "rollback", f"{name}@s", check=False).returncode == 0, 60, 0.5)
    wait_for("told", lambda: state() == "ready")
    device = b.attach(name)
    check_blocks(device, 0, 4 * STRIPE, version=1)
    b.detach(name)
