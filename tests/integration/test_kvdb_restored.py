"""A kvdb restored from an old backup, drilled: noticed, refused, mended by what the agents know."""

import sqlite3
import time

import pytest

from blockio import check_blocks, write_blocks
from cluster import ApiError, wait_for


def copy(source, target):
    """SQLite's own copy, page by page in one transaction: the file stays the same one."""
    with sqlite3.connect(source) as f, sqlite3.connect(target) as t:
        f.backup(t)
    f.close()
    t.close()


def test_a_kvdb_from_a_backup_changes_nothing_until_it_is_accepted(cluster, name):
    a, b, c = cluster["a"], cluster["b"], cluster["c"]
    kvdb, backup = cluster.dir / "kvdb.sqlite", cluster.dir / "backup"
    old, new, late = f"{name}-old", f"{name}-new", f"{name}-late"
    a.create(old, size="64M")
    write_blocks(a.attach(old), 0, 16, version=1)
    copy(kvdb, backup)

    a.detach(old)
    old_device = c.attach(old)
    write_blocks(old_device, 0, 16, version=2)
    a.create(new, size="64M")
    new_device = b.attach(new)
    write_blocks(new_device, 0, 16, version=3)
    copy(backup, kvdb)
    for agent in cluster.agents.values():
        wait_for("it notices", lambda: agent.events("kvdb-restored"))

    # What runs goes on; nothing is changed.
    write_blocks(old_device, 16, 16, version=4)
    write_blocks(new_device, 16, 16, version=5)
    for agent in cluster.agents.values():
        with pytest.raises(ApiError) as refused:
            agent.create(late, size="64M")
        assert "went back" in refused.value.text, refused.value
    a.kill()
    a.start(ready=False)
    wait_for("a notices when it starts", lambda: "went back" in a.get("/v1/status")["not_ready"])

    told = b.cli("cluster", "accept-restore", check=False)
    assert told.returncode == 4, told
    assert f"volume {new} (" in told.stdout and f"volume {old}: epoch 1 in the backup, 2 since" in told.stdout
    assert b.events("restore-mended") == []
    b.cli("cluster", "accept-restore", "--yes")
    assert len(b.events("restore-mended")) == 2
    c.cli("cluster", "accept-restore", "--yes")
    assert "restarted since" in a.cli("cluster", "accept-restore", "--yes").stdout
    for agent in cluster.agents.values():
        agent.wait_ready()

    def changes_again(agent):
        return agent.create(f"{late}-{agent.name}", size="64M")

    for agent in cluster.agents.values():
        wait_for("it makes changes again", lambda: changes_again(agent))
    assert c.device_here(old) == old_device and b.device_here(new) == new_device
    for agent in cluster.agents.values():
        assert not agent.events("volume-fenced")
    c.detach(old)
    b.detach(new)
    device = a.attach(old)
    check_blocks(device, 0, 16, version=2)
    check_blocks(device, 16, 16, version=4)
    a.detach(old)
    device = a.attach(new)
    check_blocks(device, 0, 16, version=3)
    check_blocks(device, 16, 16, version=5)
    a.detach(new)
    assert cluster["b"].cli("cluster", "accept-restore", check=False).returncode == 4


def test_what_a_frozen_kvdb_refuses_is_asked_for_once_a_second(cluster, name):
    a, b = cluster["a"], cluster["b"]
    kvdb, backup = cluster.dir / "kvdb.sqlite", cluster.dir / "backup"
    held, later = f"{name}-held", f"{name}-later"
    a.create(held, size="64M")
    write_blocks(a.attach(held), 0, 16, version=1)
    copy(kvdb, backup)
    a.create(later, size="64M")
    copy(backup, kvdb)
    for agent in cluster.agents.values():
        wait_for("it notices", lambda: agent.events("kvdb-restored"))

    # Its device goes, its record can't say so: the plan wants it released, again and again.
    a.detach(held)
    assert a.events("volume-record-kept")
    wait_for("the release is refused", lambda: a.events("reconcile-failed"))
    time.sleep(4)
    told = [e for e in a.events("reconcile-failed") if e["subject"] == held]
    assert 3 <= len(told) <= 8, told[-3:]

    b.cli("cluster", "accept-restore", "--yes")
    for agent in cluster.agents.values():
        if agent is not b:
            agent.cli("cluster", "accept-restore", "--yes")
    wait_for("it is released", lambda: not a.volume(held)["attached"])
    check_blocks(b.attach(held), 0, 16, version=1)
    b.detach(held)
