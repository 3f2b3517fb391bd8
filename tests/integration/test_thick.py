"""A thick volume beside thin ones that fill its pools to the last grain: all of it can be written."""

import errno
import json
import os

from blockio import aligned, block, open_direct
from cluster import wait_for

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
