#!/usr/bin/python3
"""How long a failover takes: until the volume is mounted on another node and a record is written there, durably.

    failover_times.py [--count N] [--kind kill|cut|both]

kill: SIGKILL of the agent where the volume is mounted. cut: that node loses its network and the kvdb at once.
Exit code 1 where one took longer than the documented 15 s, lost a record, or left the former holder unfenced.
"""

import argparse
import os
import sys
import time
import uuid

from netlab import ApiError, Lab, wait_for

BOUND_S = 15.0


def write_record(mountpoint, text):
    with open(os.path.join(mountpoint, "records"), "a") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def mount_soon(agent, name, mount_id, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            return agent.mount(name, mount_id)
        except ApiError as e:
            if time.monotonic() > end:
                raise AssertionError(f"no failover in {seconds} s: {e}") from e
            time.sleep(0.1)


def one(lab, name, kind, holder, taker, number, ids):
    old, new = lab[holder], lab[taker]
    path = old.mount(name, ids[holder])
    fd = os.open(os.path.join(path, "records"), os.O_RDWR | os.O_CREAT | os.O_APPEND)
    write_record(path, f"{number} acknowledged")
    fenced_before = len(old.events("volume-fenced"))
    began = time.monotonic()
    if kind == "kill":
        old.kill()
    else:
        lab.network.isolate(holder)
        old.kvdb_cut()
    ids[taker] = str(uuid.uuid4())
    path = mount_soon(new, name, ids[taker])
    write_record(path, f"{number} after")
    took = time.monotonic() - began
    with open(os.path.join(path, "records")) as file:
        lines = file.read().split("\n")
    for n in range(number + 1):
        assert f"{n} acknowledged" in lines and f"{n} after" in lines, f"record {n} is lost"
    if kind == "cut":
        lab.network.join(holder)
        old.kvdb_join()
        wait_for("the former holder is fenced", lambda: len(old.events("volume-fenced")) > fenced_before, 30)
        try:
            os.pwrite(fd, b"stale\n", 0)
            os.fsync(fd)
            raise AssertionError("the former holder could still write")
        except OSError:
            pass
    os.close(fd)
    if kind == "kill":
        old.start()
    wait_for("its mount is gone", lambda: not old.device_here(name), 30)
    old.unmount(name, ids[holder])
    new.unmount(name, ids[taker])
    wait_for("detached", lambda: not new.holder(name), 30)
    return took


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--kind", choices=("kill", "cut", "both"), default="both")
    options = parser.parse_args()
    lab = Lab("abc", pool_gib=2)
    name = "fo-" + uuid.uuid4().hex[:8]
    failed = False
    try:
        lab["a"].create(name, size="1G")
        number = 0
        for kind in ("kill", "cut") if options.kind == "both" else (options.kind,):
            times = []
            for i in range(options.count):
                holder, taker = "abc"[i % 3], "abc"[(i + 1) % 3]
                ids = {holder: str(uuid.uuid4())}
                times.append(one(lab, name, kind, holder, taker, number, ids))
                number += 1
                print(f"{kind} {i + 1}: {holder} -> {taker} {times[-1]:.2f} s", flush=True)
            times.sort()
            print(f"failover {kind}: {len(times)} times, median {times[len(times) // 2]:.2f} s, worst {times[-1]:.2f} s, "
                  f"bound {BOUND_S:.0f} s", flush=True)
            failed |= times[-1] > BOUND_S
    finally:
        problems = lab.close()
    if problems:
        print("left behind:", problems)
    return 1 if failed or problems else 0


if __name__ == "__main__":
    sys.exit(main())
