"""What has changed between two snapshots, exported and put onto a copy of the first one."""

import json
import signal
import subprocess

import pytest

from blockio import check_blocks, write_blocks
from cluster import QUOIN
from test_export import (MIB, digest, environment, export, import_bytes, import_file, killed_import, names,
                         refused_while_unfinished, snapshots)

DAYS = ("mon", "tue", "wed")


def sum_of(agent, name):
    """Of the content; the volume is attached nowhere before and after."""
    device = agent.attach(name)
    try:
        return digest(device)
    finally:
        agent.detach(name)


def snapshot(agent, name, day):
    agent.cli("snapshot", "create", f"{name}@{day}")
    return f"{name}@{day}"


def snapshot_records(agent, name):
    return json.loads(agent.cli("snapshot", "list", name, "--json").stdout)["snapshots"]


def drop(agent, name):
    for day in snapshots(agent, name):
        agent.cli("snapshot", "rm", f"{name}@{day}")
    agent.remove(name)


@pytest.fixture
def pair(shared, name, tmp_path):
    """A volume with snapshots mon and tue, its copy as of mon, and the increment's file."""
    a = shared["a"]
    copy = f"{name}-copy"
    a.create(name, size="64M")
    device = a.attach(name)
    write_blocks(device, 0, 4096, version=1)
    snapshot(a, name, "mon")
    export(a, f"{name}@mon", tmp_path / "mon")
    write_blocks(device, 200, 3840, version=2)
    snapshot(a, name, "tue")
    export(a, f"{name}@tue", tmp_path / "tue", "--since", "mon")
    import_file(a, copy, tmp_path / "mon")
    yield a, name, copy, tmp_path
    for volume in (name, copy):
        if volume in names(a):
            a.cli("volume", "detach", volume, check=False)
            drop(a, volume)


def test_increments_make_a_copy_in_another_cluster_as_each_snapshot_was(shared, cluster, name, tmp_path):
    a, there = shared["a"], cluster["c"]
    a.create(name, size="512M")
    device = a.attach(name)
    sums, sizes = {}, {}
    write_blocks(device, 0, 8192, version=1)
    for day in DAYS:
        if day == "tue":
            write_blocks(device, 100, 50, version=2)
            write_blocks(device, 60000, 16, version=2)
            subprocess.run(["blkdiscard", "-o", str(16 * MIB), "-l", str(4 * MIB), device], check=True, timeout=30)
        if day == "wed":
            a.cli("volume", "resize", name, "600M")
            write_blocks(device, 599 * 256, 256, version=3)
        snapshot(a, name, day)
        sums[day] = digest(device)
        since = () if day == "mon" else ("--since", DAYS[DAYS.index(day) - 1])
        told = json.loads(export(shared["b"], f"{name}@{day}", tmp_path / day, *since, "--json").stderr)["export"]
        sizes[day] = (told["data_bytes"], told["zero_bytes"])
    assert sizes["mon"][0] == 32 * MIB
    assert 66 * 4096 <= sizes["tue"][0] < 66 * 4096 + 8 * 65536 and sizes["tue"][1] == 4 * MIB
    assert MIB <= sizes["wed"][0] < MIB + 2 * 65536
    a.detach(name)
    for day in DAYS:
        told = json.loads(import_file(there, name, tmp_path / day, "--json").stdout)["import"]
        assert (told["data_bytes"], told["zero_bytes"]) == sizes[day]
        # A look doesn't change it: the next one goes onto it all the same. Before it has grown, it is shorter.
        if day != "mon":
            assert sum_of(there, name) == sums[day]
        assert snapshots(there, name) == list(DAYS[:DAYS.index(day) + 1])
    ours = {s["name"]: s for s in snapshot_records(a, name)}
    for s in snapshot_records(there, name):
        assert s["import_of"] == ours[s["name"]]["uuid"] and ours[s["name"]]["import_of"] is None
    assert "import" in there.cli("snapshot", "list", name).stdout
    # A copy is where the next copy may come from.
    export(there, f"{name}@wed", tmp_path / "again", "--since", "tue")
    assert (tmp_path / "again").stat().st_size == (tmp_path / "wed").stat().st_size
    drop(there, name)
    drop(a, name)


def test_a_striped_volume_and_one_that_is_not_are_copies_of_each_other(shared, name, tmp_path):
    a = shared["a"]
    plain, striped = f"{name}-plain", f"{name}-striped"
    a.create(name, size="128M", shards="2")
    device = a.attach(name)
    for day, blocks in (("mon", 4096), ("tue", 700)):
        write_blocks(device, 5000 - blocks, blocks, version=blocks)
        snapshot(a, name, day)
    a.detach(name)
    export(a, f"{name}@mon", tmp_path / "mon")
    export(a, f"{name}@tue", tmp_path / "tue", "--since", "mon")
    assert 700 * 4096 <= (tmp_path / "tue").stat().st_size < 700 * 4096 + 4 * 65536 + 65536
    for copy, options in ((plain, ()), (striped, ("--shards", "3"))):
        import_file(a, copy, tmp_path / "mon", *options)
        import_file(a, copy, tmp_path / "tue")
        assert sum_of(a, copy) == sum_of(a, name)
        drop(a, copy)
    drop(a, name)


def test_an_increment_goes_onto_its_base_only(pair):
    a, name, copy, files = pair
    tue = (files / "tue").read_bytes()

    def refused(code, part, volume=copy, *options):
        done = import_bytes(a, volume, tue, *options)
        assert done.returncode == code and part in done.stderr.decode(), (done.returncode, done.stderr)
        assert done.stderr.decode().count("\n") == 1, done.stderr

    refused(3, "import that one first", f"{name}-none")
    refused(2, "--replicas is for a new volume", copy, "--replicas", "2")
    device = a.attach(copy)
    refused(4, "is attached on node a")
    write_blocks(device, 5000, 1, version=9)
    a.detach(copy)
    refused(4, f"quoin snapshot rollback {copy}@mon")
    assert a.volume(copy)["attached"] is None and snapshots(a, copy) == ["mon"]
    check_blocks(a.attach(copy), 5000, 1, version=9)  # it was left alone
    a.detach(copy)
    a.cli("snapshot", "rollback", f"{copy}@mon")
    assert import_bytes(a, copy, tue).returncode == 0
    device = a.attach(copy)
    check_blocks(device, 0, 200, version=1)
    check_blocks(device, 200, 3840, version=2)
    check_blocks(device, 4040, 56, version=1)
    a.detach(copy)
    refused(4, f"it has a copy of {name}@tue already: {copy}@tue")
    # Not by a name: by what it is.
    a.detach(name)
    refused(4, "it has another snapshot tue", name)
    a.cli("snapshot", "rm", f"{name}@tue")
    refused(4, f"it has no copy of {name}@mon", name)


def test_what_is_no_older_snapshot_is_refused(pair):
    a, name, _, files = pair
    for what, since, code, part in ((name, "mon", 2, "VOLUME@SNAPSHOT"), (f"{name}@mon", "mon", 2, "the one that is"),
                                    (f"{name}@mon", "tue", 1, "is no older one"), (f"{name}@tue", "sun", 3, "no snapshot sun")):
        done = export(a, what, files / "other", "--since", since, check=False)
        assert done.returncode == code and part in done.stderr, (done.returncode, done.stderr)
    assert all(s["device"] is None for s in snapshot_records(a, name))


def test_a_damaged_increment_changes_nothing(pair):
    a, name, copy, files = pair
    tue = (files / "tue").read_bytes()
    before = sum_of(a, copy)
    for at in (1030, len(tue) // 2, len(tue) - 40):
        flipped = bytearray(tue)
        flipped[at] ^= 4
        done = import_bytes(a, copy, bytes(flipped))
        assert done.returncode == 1 and b"byte " in done.stderr, done.stderr
        assert sum_of(a, copy) == before and snapshots(a, copy) == ["mon"]
    for length in (1024, len(tue) - MIB, len(tue) - 1):
        done = import_bytes(a, copy, tue[:length])
        assert done.returncode == 1 and f"byte {length}:" in done.stderr.decode(), done.stderr
        assert sum_of(a, copy) == before and snapshots(a, copy) == ["mon"]
    assert import_bytes(a, copy, tue).returncode == 0
    a.detach(name)
    assert sum_of(a, copy) == sum_of(a, name)


def test_an_interrupted_increment_is_undone(pair):
    a, name, copy, files = pair
    tue = (files / "tue").read_bytes()
    before = sum_of(a, copy)
    reader = subprocess.Popen([str(QUOIN), "volume", "import", copy], env=environment(a), stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    # More than can be in flight: when it is taken in, something has been written.
    reader.stdin.write(tue[:14 * MIB])
    reader.stdin.flush()
    assert a.volume(copy)["attached"] and snapshots(a, copy) == ["mon"]
    reader.send_signal(signal.SIGTERM)
    reader.wait(40)
    assert b"interrupted" in reader.stderr.read()
    assert a.volume(copy)["attached"] is None and a.volume(copy)["import"] is None
    assert sum_of(a, copy) == before
    assert import_bytes(a, copy, tue).returncode == 0
    a.detach(name)
    assert sum_of(a, copy) == sum_of(a, name)


@pytest.mark.parametrize("shards", [1, 2])
def test_half_of_a_killed_increment_is_nobodys_until_it_is_rolled_back(pair, shards):
    a, name, copy, files = pair
    tue = (files / "tue").read_bytes()
    if shards > 1:
        drop(a, copy)
        import_file(a, copy, files / "mon", "--shards", str(shards))
    before = sum_of(a, copy)
    killed_import(a, copy, tue[:14 * MIB])
    refused_while_unfinished((a,), copy, f"has a part of an increment only, whose import did not finish; unless it is still "
                                         f"under way, `quoin snapshot rollback {copy}@mon`")
    for data in (tue, (files / "mon").read_bytes()):
        done = import_bytes(a, copy, data)
        assert done.returncode == 4, done.stderr
    done = import_bytes(a, copy, tue)
    assert f"did not finish: `quoin snapshot rollback {copy}@mon`" in done.stderr.decode(), done.stderr
    # The snapshot itself is whole.
    export(a, f"{copy}@mon", files / "again")
    a.cli("snapshot", "rollback", f"{copy}@mon")
    assert a.volume(copy)["import"] is None
    assert sum_of(a, copy) == before
    assert import_bytes(a, copy, tue).returncode == 0
    a.detach(name)
    assert sum_of(a, copy) == sum_of(a, name)
