"""`quoin-pool` on the pools of agents: refused while they run, clean when they have stopped, damaged when spoilt."""

import json
import subprocess

from blockio import write_blocks
from cluster import QUOIND, wait_for

QUOIN_POOL = QUOIND.parent.parent / "tools" / "quoin-pool"


def run(*words):
    return subprocess.run([str(QUOIN_POOL), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)


def report(path, *words):
    done = run("check", path, "--json", *words)
    return done.returncode, json.loads(done.stdout)


def test_pools_of_a_cluster_are_clean_after_a_stop_and_after_a_kill(cluster, name):
    agent = cluster["a"]
    agent.create(name, size="64M")
    device = agent.attach(name)
    write_blocks(device, 0, 1024, version=1)
    wait_for("healthy", lambda: agent.volume(name)["state"] == "healthy")
    busy = run("check", agent.pool)
    assert busy.returncode == 4 and "agent" in busy.stderr
    cluster["b"].kill()
    agent.detach(name)
    cluster["a"].stop()
    cluster["c"].stop()
    for each in "abc":
        code, found = report(cluster[each].pool, "--data")
        assert (code, found["result"]) == (0, "clean"), found
        assert found["replicas"][0]["size_bytes"] == 64 << 20
    text = run("check", agent.pool)
    assert text.returncode == 0 and "clean" in text.stdout
    dump = run("dump", agent.pool, "--json")
    kinds = {json.loads(line)["kind"] for line in dump.stdout.splitlines()}
    assert {"superblock", "replica", "batch"} <= kinds
    with open(agent.pool, "r+b") as pool:
        pool.write(b"\0" * 4096)
    code, found = report(agent.pool)
    assert (code, found["result"]) == (1, "damaged")
    assert found["findings"][0]["area"] == "superblock"


def test_what_is_no_pool_is_refused_in_words(tmp_path):
    assert run("check", tmp_path / "nothing").returncode == 3
    (tmp_path / "zeroes").write_bytes(b"\0" * (8 << 20))
    done = run("check", tmp_path / "zeroes")
    assert done.returncode == 1 and "no valid superblock" in done.stderr
    assert run("check").returncode == 2
    assert run("chekc", tmp_path / "zeroes").returncode == 2
