"""Agents that are cut off, paused, or without the kvdb, in network namespaces: one writer, and no more moves than needed."""

import errno
import os
import pathlib
import sys
import threading
import time

import pytest

from blockio import BLOCK, aligned, block, check_blocks, open_direct, write_blocks
from cluster import ApiError, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "campaign"))

from netlab import Lab  # noqa: E402


@pytest.fixture
def lab(request):
    lab = Lab("abc", pool_gib=2)
    try:
        yield lab
    finally:
        problems = lab.close()
    assert not problems, problems


def attached(lab, name):
    lab["a"].create(name, size="128M")
    device = lab["a"].attach(name)
    write_blocks(device, 0, 64, version=1)
    return os.path.realpath(device)


def attach_soon(agent, name, seconds=30):
    def check():
        try:
            return agent.attach(name)
        except ApiError:
            return None

    return wait_for(f"attached on {agent.name}", check, seconds, pause=0.2)


def test_a_write_that_waits_in_a_cut_off_device_never_lands_on_the_next_holders_data(lab, name):
    """docs/protocol.md: the former holder's queue is for its own attachment only."""
    a, b = lab["a"], lab["b"]
    fd = open_direct(attached(lab, name))
    lab.network.isolate("a")
    a.kvdb_cut()
    failed = []

    def late_write():
        try:
            os.pwritev(fd, [aligned(block(0, 9))], 0)
        except OSError as e:
            failed.append(e.errno)

    writer = threading.Thread(target=late_write, daemon=True)
    writer.start()
    device = attach_soon(b, name)
    check_blocks(device, 0, 64, version=1)
    write_blocks(device, 0, 64, version=2)
    b.detach(name)  # in order: nobody holds the record when a comes back
    assert writer.is_alive(), "a cut-off holder answered a write"
    lab.network.join("a")
    a.kvdb_join()
    writer.join(30)
    assert failed == [errno.EIO]
    fenced = wait_for("a says why", lambda: a.events("volume-fenced"))
    assert "EIO" in fenced[0]["text"]
    os.close(fd)
    wait_for("a's old device is gone", lambda: not a.device_here(name), 30)
    device = attach_soon(b, name)
    check_blocks(device, 0, 64, version=2)
    b.detach(name)


def test_a_holder_without_the_kvdb_that_its_replicas_hear_is_not_succeeded(lab, name):
    a, b = lab["a"], lab["b"]
    device = attached(lab, name)
    a.kvdb_cut()
    time.sleep(8)  # its node lease is over
    with pytest.raises(ApiError) as refused:
        b.request("POST", f"/v1/volumes/{name}/attach", {}, timeout=80)
    assert "replicas still hear" in refused.value.text, refused.value
    write_blocks(device, 0, 64, version=2)
    check_blocks(device, 0, 64, version=2)
    a.kvdb_join()
    wait_for("a's lease is back", lambda: a.events("kvdb-back"), 30)
    time.sleep(3)
    assert a.device_here(name)
    write_blocks(device, 0, 8, version=3)
    assert not a.events("volume-fenced")


def test_a_paused_holder_that_nobody_succeeds_goes_on_by_itself(lab, name):
    a = lab["a"]
    device = attached(lab, name)
    a.pause()
    time.sleep(10)  # its node lease is over
    a.resume()
    write_blocks(device, 0, 64, version=2)
    check_blocks(device, 0, 64, version=2)
    time.sleep(3)
    assert a.device_here(name)
    assert not a.events("volume-fenced")


def test_a_paused_holder_that_was_succeeded_is_fenced_when_it_goes_on(lab, name):
    a, b = lab["a"], lab["b"]
    fd = open_direct(attached(lab, name))
    a.pause()
    device = attach_soon(b, name)
    write_blocks(device, 0, 64, version=2)
    a.resume()
    with pytest.raises(OSError):
        os.pwritev(fd, [aligned(block(0, 9))], 0)
    memory = aligned(bytes(BLOCK))
    with pytest.raises(OSError):
        os.preadv(fd, [memory], 0)
    os.close(fd)
    wait_for("a says why", lambda: a.events("volume-fenced"))
    check_blocks(device, 0, 64, version=2)
    b.detach(name)
