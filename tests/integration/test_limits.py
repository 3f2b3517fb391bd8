"""Limits of a volume: set while it is used, and so no volume starves the others of a pool."""

import json
import threading

from blockio import fio


def iops(device, depth, seconds=3):
    out = fio("--filename=" + device, "--rw=randwrite", "--bs=4k", "--direct=1", f"--iodepth={depth}", "--ioengine=libaio",
              "--size=16M", "--time_based", f"--runtime={seconds}", "--output-format=json")
    return json.loads(out)["jobs"][0]["write"]["iops"]


def test_a_limited_volume_leaves_the_pool_to_others(cluster, name):
    a, greedy, modest = cluster["a"], name, name + "-m"
    for volume in (greedy, modest):
        a.create(volume, size="64M")
    devices = [a.attach(volume) for volume in (greedy, modest)]
    refused = a.cli("volume", "set-limits", greedy, check=False)
    assert refused.returncode == 2 and "--iops or --bandwidth" in refused.stderr
    a.cli("volume", "set-limits", greedy, "--iops", "100")
    assert a.volume(greedy)["limits"] == {"iops": 100, "bytes_per_s": 0}
    found = []
    load = threading.Thread(target=lambda: found.append(iops(devices[0], 32)))
    load.start()
    beside = iops(devices[1], 1, seconds=2)
    load.join()
    assert 60 < found[0] < 130, found
    assert beside > 0
    assert a.volume(greedy)["stats"]["limit_waits"] > 100
    assert "limits      100 requests a second" in a.cli("volume", "inspect", greedy).stdout
    # By bytes: 64 blocks a second. What isn't given stays.
    a.cli("volume", "set-limits", greedy, "--bandwidth", "256K")
    assert a.volume(greedy)["limits"] == {"iops": 100, "bytes_per_s": 256 << 10}
    assert 30 < iops(devices[0], 8) < 85
    # Given up, while it is used.
    a.cli("volume", "set-limits", greedy, "--iops", "0", "--bandwidth", "0")
    assert iops(devices[0], 32, seconds=2) > 130
    # They are the volume's, not the attachment's.
    a.cli("volume", "set-limits", greedy, "--iops", "50")
    a.detach(greedy)
    assert iops(a.attach(greedy), 8, seconds=2) < 80
    # By class, from when they are made.
    a.cli("class", "set", "scratch", "iops_limit=77", "--apply")
    a.create(name + "-s", size="64M", **{"class": "scratch"})
    assert a.volume(name + "-s")["limits"] == {"iops": 77, "bytes_per_s": 0}
    a.remove(name + "-s")
    for volume in (greedy, modest):
        a.detach(volume)
        a.remove(volume)
