"""Volumes exported to files and imported from them: content, holes, damage, kills.

Agent a has the Docker plugin."""

import hashlib
import json
import os
import pathlib
import pty
import signal
import subprocess
import time

import pytest

from blockio import check_blocks, write_blocks
from cluster import QUOIN, wait_for

MIB = 1 << 20


def environment(agent):
    return dict(os.environ, QUOIN_SOCKET=str(agent.socket))


def export(agent, what, path, *options, check=True):
    with open(path, "wb") as file:
        done = subprocess.run([str(QUOIN), "volume", "export", what, *options], env=environment(agent), stdout=file,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def import_bytes(agent, name, data, *options):
    return subprocess.run([str(QUOIN), "volume", "import", name, *options], env=environment(agent), input=data,
                          capture_output=True, timeout=120)


def import_file(agent, name, path, *options, check=True):
    done = import_bytes(agent, name, pathlib.Path(path).read_bytes(), *options)
    if check:
        assert done.returncode == 0, done.stderr.decode()
    return done


def names(agent):
    return [volume["name"] for volume in json.loads(agent.cli("volume", "list", "--json").stdout)["volumes"]]


def snapshots(agent, name):
    return [s["name"] for s in json.loads(agent.cli("snapshot", "list", name, "--json").stdout)["snapshots"]]


def digest(device):
    with open(device, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("fs", ["ext4", "xfs"])
def test_a_mounted_volume_is_exported_and_its_import_is_mounted_beside_it(agents, name, fs, tmp_path):
    a, b = agents["a"], agents["b"]
    copy = f"{name}-copy"
    a.plugin("Create", Name=name, Opts={"size": "320M", "fs": fs})
    path = pathlib.Path(a.plugin("Mount", Name=name, ID="1")["Mountpoint"])
    content = os.urandom(5 * MIB)
    with open(path / "file", "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # not sync(): that waits for every filesystem of the machine
    said = export(a, name, tmp_path / "file").stderr
    assert f"volume {name} exported" in said
    assert snapshots(a, name) == []  # the one that was made for it
    (path / "file").write_text("later")
    assert 5 * MIB < (tmp_path / "file").stat().st_size < 60 * MIB  # of 320 MiB: sparse
    wait_for("the name free at b", lambda: copy not in names(b))
    told = json.loads(import_file(a, copy, tmp_path / "file", "--json").stdout)["import"]
    assert told["size_bytes"] == 320 * MIB and told["file_bytes"] == (tmp_path / "file").stat().st_size
    assert a.volume(copy)["fs"] == fs and a.volume(copy)["attached"] is None
    copy_path = pathlib.Path(a.plugin("Mount", Name=copy, ID="2")["Mountpoint"])
    assert (copy_path / "file").read_bytes() == content and (path / "file").read_text() == "later"
    for volume, user in ((copy, "2"), (name, "1")):
        a.plugin("Unmount", Name=volume, ID=user)
        a.remove(volume)


def test_blocks_of_a_snapshot_come_back_as_they_were(agents, name, tmp_path):
    a, b = agents["a"], agents["b"]
    copy = f"{name}-copy"
    a.create(name, size="1G")
    device = a.attach(name)
    write_blocks(device, 0, 600, version=1)
    write_blocks(device, (1024 * MIB - MIB) // 4096, 256, version=1)
    a.cli("snapshot", "create", f"{name}@one")
    before = digest(device)
    write_blocks(device, 100, 300, version=2)
    export(b, f"{name}@one", tmp_path / "file")  # on another node than the one that has it attached
    assert (856 * 4096) < (tmp_path / "file").stat().st_size < 856 * 4096 + 256 * 1024
    assert snapshots(a, name) == ["one"]
    import_file(b, copy, tmp_path / "file")
    imported = b.attach(copy)
    assert digest(imported) == before
    check_blocks(imported, 0, 600, version=1)
    b.detach(copy)
    assert snapshots(b, copy) == ["one"]
    b.cli("snapshot", "rm", f"{copy}@one")
    b.remove(copy)
    # The user's own export of the snapshot stays.
    a.cli("volume", "serve-nbd", f"{name}@one")
    export(a, f"{name}@one", tmp_path / "again")
    a.cli("volume", "detach", f"{name}@one")
    first, again = (tmp_path / "file").read_bytes(), (tmp_path / "again").read_bytes()
    assert first[1024:] == again[1024:] or len(first) == len(again)
    a.detach(name)
    a.cli("snapshot", "rm", f"{name}@one")
    a.remove(name)


def test_what_cannot_be_is_refused_in_words(agents, name, tmp_path):
    a = agents["a"]
    a.create(name, size="64M")
    export(a, name, tmp_path / "file")
    for what, code, part in ((f"{name}@none", 3, "no snapshot none"), ("no-such-volume", 3, "no-such-volume"),
                             ("a/b", 2, "not allowed"), (f"{name}@", 2, "is no snapshot")):
        done = export(a, what, tmp_path / "other", check=False)
        assert done.returncode == code and part in done.stderr, done.stderr
    done = import_file(a, name, tmp_path / "file", check=False)
    assert done.returncode == 4 and b"exists already" in done.stderr
    assert name in names(a)
    for words in (("volume", "export", name), ("volume", "import", f"{name}-x")):
        done = subprocess.run(["script", "-qec", " ".join([str(QUOIN), *words]), "/dev/null"], env=environment(a),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and "is a terminal" in done.stdout, done.stdout
    # How far it is, where standard error is a terminal.
    ours, theirs = pty.openpty()
    subprocess.run([str(QUOIN), "volume", "export", name], env=environment(a), stdout=subprocess.DEVNULL, stderr=theirs,
                   check=True, timeout=60)
    os.close(theirs)
    assert b"export: " in os.read(ours, 4096)
    os.close(ours)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(QUOIN), "volume", "export", name], env=environment(a), stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "No space left" in done.stderr
    assert snapshots(a, name) == []
    a.remove(name)


def test_a_damaged_file_is_refused_with_the_byte_and_leaves_no_volume(agents, name, tmp_path):
    a = agents["a"]
    copy = f"{name}-copy"
    a.create(name, size="64M")
    write_blocks(a.attach(name), 0, 512, version=1)
    export(a, name, tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()

    def refused(data, part):
        done = import_bytes(a, copy, data)
        assert done.returncode == 1 and part in done.stderr.decode(), done.stderr
        assert done.stderr.decode().count("\n") == 1, done.stderr
        wait_for("no volume left", lambda: copy not in names(a), 10)

    refused(b"", "byte 0:")
    refused(b"not an export" * 1000, "no export of a Quoin volume")
    refused(whole[:8] + b"\x02" + whole[9:], "version 2")
    for length in (700, 1024, 1040, MIB // 2, len(whole) - 64, len(whole) - 1):
        refused(whole[:length], f"byte {length}:")
    refused(whole + b"x", f"byte {len(whole)}: something stands behind the end")
    for at in (30, 1030, 1024 + 32 + 5000, len(whole) - MIB, len(whole) - 40, len(whole) - 1):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        refused(bytes(flipped), "byte ")
    assert import_bytes(a, copy, whole).returncode == 0
    check_blocks(a.attach(copy), 0, 512, version=1)
    for volume in (copy, name):
        a.detach(volume)
        a.remove(volume)


def test_an_interrupted_export_or_import_leaves_nothing(agents, name, tmp_path):
    a = agents["a"]
    copy = f"{name}-copy"
    a.create(name, size="256M")
    write_blocks(a.attach(name), 0, 16384, version=1)
    # The reader is slow: it is in the middle, for sure.
    writer = subprocess.Popen([str(QUOIN), "volume", "export", name], env=environment(a), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    begin = writer.stdout.read(8 * MIB)
    assert len(snapshots(a, name)) == 1
    writer.send_signal(signal.SIGINT)
    assert b"interrupted" in writer.communicate(timeout=40)[1] and writer.returncode == 1
    wait_for("no snapshot left", lambda: snapshots(a, name) == [], 10)
    # Who reads goes away.
    writer = subprocess.Popen([str(QUOIN), "volume", "export", name], env=environment(a), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    writer.stdout.read(MIB)
    writer.stdout.close()
    assert b"Broken pipe" in writer.stderr.read() and writer.wait(40) == 1
    wait_for("no snapshot left", lambda: snapshots(a, name) == [], 10)
    reader = subprocess.Popen([str(QUOIN), "volume", "import", copy], env=environment(a), stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    reader.stdin.write(begin)
    reader.stdin.flush()
    wait_for("the volume", lambda: copy in names(a))
    reader.send_signal(signal.SIGTERM)
    assert reader.wait(40) == 1 and b"interrupted" in reader.stderr.read()
    wait_for("no volume left", lambda: copy not in names(a), 10)
    a.detach(name)
    a.remove(name)


def refused_while_unfinished(agents, volume, words):
    """Whatever uses the volume as it is, on each of the nodes; what it says is what the user has to do."""
    for agent in agents:
        for command in (("volume", "attach", volume), ("volume", "attach", volume, "--force"), ("volume", "serve-nbd", volume),
                        ("snapshot", "create", f"{volume}@now"), ("volume", "create", f"{volume}-clone", "--from", volume),
                        ("volume", "export", volume)):
            done = agent.cli(*command, check=False)
            assert done.returncode == 4 and words in done.stderr, (command, done.stderr)
        listed = [line for line in agent.cli("volume", "list").stdout.splitlines() if line.startswith(f"{volume} ")]
        assert len(listed) == 1 and "import unfinished" in listed[0], listed
        assert "import      unfinished" in agent.cli("volume", "inspect", volume).stdout
        assert agent.volume(volume)["import"] == "unfinished"


def killed_import(agent, volume, begin):
    """SIGKILL in the middle, when something has been written; then detached by hand."""
    reader = subprocess.Popen([str(QUOIN), "volume", "import", volume], env=environment(agent), stdin=subprocess.PIPE)
    # More than can be in flight: when it is taken in, something has been written.
    reader.stdin.write(begin)
    reader.stdin.flush()
    assert agent.volume(volume)["attached"] and agent.volume(volume)["import"] == "unfinished"
    reader.kill()
    reader.wait()
    wait_for("the client gone", lambda: agent.cli("volume", "detach", volume, check=False).returncode == 0)


def test_a_killed_import_leaves_a_volume_that_nobody_uses(agents, name, tmp_path):
    a, b = agents["a"], agents["b"]
    copy = f"{name}-copy"
    a.create(name, size="256M")
    write_blocks(a.attach(name), 0, 16384, version=1)
    export(a, name, tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    killed_import(a, copy, whole[:14 * MIB])
    wait_for("the volume at b", lambda: copy in names(b))
    refused_while_unfinished((a, b), copy, f"its import did not finish; unless it is still under way, `quoin volume rm {copy}`")
    with pytest.raises(AssertionError, match="its import did not finish"):
        a.plugin("Mount", Name=copy, ID="1")
    done = import_bytes(a, copy, whole)
    assert done.returncode == 4 and b"left that was killed" in done.stderr
    # Its replicas are looked after all the same.
    b.cli("volume", "set-replicas", copy, "2")
    wait_for("two voters", lambda: [r["role"] for r in b.volume(copy)["replicas"]].count("voter") == 2, 60)
    b.cli("volume", "rm", copy)
    wait_for("no volume left", lambda: copy not in names(a))
    import_file(a, copy, tmp_path / "file")
    assert a.volume(copy)["import"] is None
    check_blocks(a.attach(copy), 0, 16384, version=1)
    for volume in (copy, name):
        a.detach(volume)
        a.remove(volume)


def test_the_export_of_a_killed_import_ends_with_its_agent(cluster, name, tmp_path):
    a = cluster["a"]
    copy = f"{name}-copy"
    a.create(name, size="256M")
    write_blocks(a.attach(name), 0, 16384, version=1)
    export(a, name, tmp_path / "file")
    reader = subprocess.Popen([str(QUOIN), "volume", "import", copy], env=environment(a), stdin=subprocess.PIPE)
    reader.stdin.write((tmp_path / "file").read_bytes()[:14 * MIB])
    reader.stdin.flush()
    reader.kill()
    reader.wait()
    # Of the two that are attached one gets a snapshot by schedule.
    a.cli("class", "set", "default", "snapshots=every 1m keep 2")
    wait_for("a snapshot by schedule", lambda: snapshots(a, name))
    time.sleep(3)  # a look at each volume a second
    assert snapshots(a, copy) == []
    assert a.events("snapshot-missed") == []
    a.kill()
    a.start()
    wait_for("the volume attached nowhere", lambda: copy in names(a) and a.volume(copy)["attached"] is None, 60)
    done = a.cli("volume", "attach", copy, check=False)
    assert done.returncode == 4 and "its import did not finish" in done.stderr, done.stderr
    a.cli("volume", "rm", copy)
    wait_for("the volume again", lambda: a.volume(name)["attached"], 60)
    a.detach(name)
    a.remove(name)


def test_an_agent_killed_in_the_middle_ends_both_and_nothing_is_left(cluster, name, tmp_path):
    a = cluster["a"]
    copy = f"{name}-copy"
    a.create(name, size="256M")
    write_blocks(a.attach(name), 0, 16384, version=1)
    export(a, name, tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    writer = subprocess.Popen([str(QUOIN), "volume", "export", name], env=environment(a), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    writer.stdout.read(16 * MIB)
    reader = subprocess.Popen([str(QUOIN), "volume", "import", copy], env=environment(a), stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    reader.stdin.write(whole[:16 * MIB])
    reader.stdin.flush()
    wait_for("the volume", lambda: copy in names(a) and a.volume(copy)["attached"])
    time.sleep(0.5)
    a.kill()
    a.start()
    writer_words = writer.communicate(timeout=60)[1]
    reader_words = reader.communicate(whole[16 * MIB:], timeout=60)[1]
    assert writer.returncode == 1 and b"ended the connection" in writer_words, writer_words
    assert reader.returncode == 1 and b"ended the connection" in reader_words, reader_words
    wait_for("no volume left", lambda: copy not in names(a), 30)
    wait_for("no snapshot left", lambda: snapshots(a, name) == [], 30)
    wait_for("the volume again", lambda: a.volume(name)["attached"], 30)
    a.detach(name)
    a.remove(name)


def test_an_export_becomes_a_volume_of_the_same_name_in_another_cluster(agents, cluster, name, tmp_path):
    a, there = agents["a"], cluster["b"]
    a.create(name, size="512M")
    device = a.attach(name)
    write_blocks(device, 0, 300, version=1)
    write_blocks(device, 100000, 200, version=2)
    before = digest(device)
    told = json.loads(export(a, name, tmp_path / "file", "--json").stderr)["export"]
    assert told == {"size_bytes": 512 * MIB, "data_bytes": 500 * 4096, "zero_bytes": 0,
                    "file_bytes": (tmp_path / "file").stat().st_size}
    a.detach(name)  # a device's link is the machine's
    import_file(there, name, tmp_path / "file", "--replicas", "2")
    assert len(there.volume(name)["replicas"]) == 2
    assert digest(there.attach(name)) == before
    # What it takes, as a node with a replica knows: the grains of 64 KiB that have data.
    wait_for("holes in the copy", lambda: any(
        500 * 4096 <= (agent.volume(name)["used_bytes"] or 0) < 500 * 4096 + 4 * 65536 for agent in cluster.agents.values()))
    there.detach(name)
    there.remove(name)
    a.remove(name)
