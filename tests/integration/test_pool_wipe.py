"""What is on a disk is destroyed only when that was asked for, by name, and never when it is in use."""

import hashlib
import subprocess

from cluster import wait_for


def sum_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_forgotten_pool_is_wiped_and_no_other(cluster, name):
    a, c = cluster["a"], cluster["c"]
    a.cli("pool", "drain", "c/p")
    c.stop()
    wait_for("c is down", lambda: [n for n in a.get("/v1/nodes")["nodes"] if n["name"] == "c"][0]["state"] == "down")
    refused = a.cli("pool", "wipe", str(c.pool), "--yes", check=False)
    assert refused.returncode == 4 and "is pool p of node c" in refused.stderr, refused
    a.cli("pool", "rm", "c/p")
    before = sum_of(c.pool)
    told = a.cli("pool", "wipe", str(c.pool), check=False)
    assert told.returncode == 4 and "of this cluster, which has forgotten it" in told.stdout, told
    assert "nothing was changed" in told.stderr
    assert sum_of(c.pool) == before
    done = a.cli("pool", "wipe", str(c.pool), "--yes")
    assert "is wiped" in done.stdout and a.events("pool-wiped"), done
    assert a.cli("pool", "wipe", str(c.pool), "--yes", check=False).returncode == 3  # no pool any more
    a.cli("pool", "add", "again", str(c.pool), "--tier", "high")  # as an empty one


def test_a_pool_that_is_in_use_is_never_wiped(cluster):
    a, b = cluster["a"], cluster["b"]
    for agent in (a, b):
        refused = a.cli("pool", "wipe", str(agent.pool), "--yes", check=False)
        assert refused.returncode == 4 and f"is pool p of node {agent.name}" in refused.stderr, refused
    none = a.cli("pool", "wipe", str(a.config), check=False)
    assert none.returncode == 3 and "no pool lies at" in none.stderr, none
    assert a.cli("pool", "wipe", "relative", "--yes", check=False).returncode == 2


def test_a_disk_with_a_filesystem_is_taken_by_force_only_and_what_is_lost_is_said(cluster):
    a = cluster["a"]
    disk = cluster.dir / "disk"
    with open(disk, "wb") as file:
        file.truncate(2 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "mine", str(disk)], check=True)
    before = sum_of(disk)
    refused = a.cli("pool", "add", "x", str(disk), "--tier", "high", check=False)
    assert refused.returncode == 4, refused
    assert "ext4 (label mine)" in refused.stderr and "--force` destroys that" in refused.stderr, refused
    assert sum_of(disk) == before
    # By force neither, while it is in use.
    loop = subprocess.run(["losetup", "-f", "--show", str(disk)], check=True, capture_output=True, text=True).stdout
    try:
        refused = a.cli("pool", "add", "x", str(disk), "--tier", "high", "--force", check=False)
        assert refused.returncode == 4 and "is in use" in refused.stderr, refused
    finally:
        subprocess.run(["losetup", "-d", loop.strip()], check=True)
    assert sum_of(disk) == before
    done = a.cli("pool", "add", "x", str(disk), "--tier", "high", "--force")
    assert "destroyed: " in done.stdout and "ext4 (label mine)" in done.stdout, done
    assert subprocess.run(["blkid", "-p", str(disk)], capture_output=True, check=False).returncode != 0
    assert [e for e in a.events("pool-formatted") if e["subject"] == "x"][-1]["text"].count("ext4") == 1
