"""Who may write: an attach by force takes a volume from a living node, whose device gets EIO for ever."""

import errno
import os

import pytest

from blockio import BLOCK, aligned, block, check_blocks, open_direct, write_blocks
from cluster import ApiError, wait_for


def test_force_takes_a_volume_from_a_living_node_and_fences_it(cluster, name):
    a, b = cluster["a"], cluster["b"]
    a.create(name, size="128M")
    device = a.attach(name)
    write_blocks(device, 0, 256, version=1)
    fd = open_direct(device)
    with pytest.raises(ApiError) as refused:
        b.attach(name)
    assert refused.value.status == 409, refused.value

    done = b.cli("volume", "attach", name, "--force")
    assert "gets I/O errors" in done.stderr
    assert "node b" in done.stdout
    # The device link is the machine's; the newest attach has it. The old one is reached by its open descriptor.
    with pytest.raises(OSError) as failed:
        os.pwritev(fd, [aligned(block(0, 9))], 0)
    assert failed.value.errno == errno.EIO
    os.close(fd)
    check_blocks(b.device_here(name), 0, 256, version=1)
    write_blocks(b.device_here(name), 0, 64, version=2)

    forced = wait_for("b says what it did", lambda: b.events("volume-forced"))
    assert "node a" in forced[0]["text"]
    fenced = wait_for("a says why", lambda: a.events("volume-fenced"))
    assert "EIO" in fenced[0]["text"]
    assert "volume-fenced" in a.log.read_text()
    wait_for("a's device is gone", lambda: not a.device_here(name))
    check_blocks(b.device_here(name), 0, 64, version=2)
    check_blocks(b.device_here(name), 64, 192, version=1)
    assert b.holder(name) == "b"
