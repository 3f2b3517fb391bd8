"""One slow or failing disk is invisible to the application: pools that are so on purpose, in real agents."""

import os
import statistics
import time

from blockio import BLOCK, aligned, block, check_blocks, open_direct, write_blocks
from cluster import wait_for


def restart_with_faults(agent, faults):
    agent.stop()
    agent.config.write_text(agent.config.read_text().replace("tier = high\n", f"tier = high\nfaults = {faults}\n"))
    agent.start()
    assert agent.events("pool-faults")


def attached(cluster, name):
    wait_for("created", lambda: cluster["a"].create(name, size="128M") is not None)
    device = cluster["a"].attach(name)
    wait_for("healthy", lambda: cluster["a"].volume(name)["state"] == "healthy")
    return device


def write_latencies(device, count, version):
    """Seconds of each of so many single writes of a block, at depth 1."""
    found = []
    fd = open_direct(device)
    try:
        for i in range(count):
            data = aligned(block(i, version))
            begin = time.monotonic()
            assert os.pwritev(fd, [data], i * BLOCK) == BLOCK
            found.append(time.monotonic() - begin)
    finally:
        os.close(fd)
    return found


def test_one_slow_disk_is_not_waited_for_and_two_are(cluster, name):
    restart_with_faults(cluster["c"], "delay:write=200ms,flush=200ms,jitter=50ms")
    device = attached(cluster, name)
    one_slow = write_latencies(device, 100, version=1)
    assert statistics.median(one_slow) < 0.1, one_slow
    assert max(one_slow) < 3, one_slow
    check_blocks(device, 0, 100, version=1)
    # That the disk is slow indeed: where two of three are, the second one is needed.
    restart_with_faults(cluster["b"], "delay:write=200ms,flush=200ms")
    wait_for("the second slow disk is needed", lambda: min(write_latencies(device, 3, version=2)) > 0.2, 60)
    check_blocks(device, 0, 3, version=2)


def test_a_disk_that_fails_takes_only_its_replica_away(cluster, name):
    device = attached(cluster, name)
    write_blocks(device, 0, 64, version=1)
    restart_with_faults(cluster["c"], "error:on=flush,after=60")
    wait_for("the pool has failed",
             lambda: write_latencies(device, 64, version=2) and cluster["c"].events("pool-failed"))
    assert max(write_latencies(device, 50, version=3)) < 3
    check_blocks(device, 0, 50, version=3)
    check_blocks(device, 50, 14, version=2)
    assert cluster["c"].alive()
    wait_for("degraded", lambda: cluster["a"].volume(name)["state"] == "degraded")
