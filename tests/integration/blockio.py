"""Numbered, checksummed blocks on a device: what was acknowledged must be there, unchanged."""

import hashlib
import mmap
import os
import struct
import subprocess

BLOCK = 4096


def block(number, version):
    head = struct.pack("<QQ", number, version)
    body = hashlib.sha256(head).digest() * 128
    return (head + body)[:BLOCK]


def aligned(data):
    """Memory for O_DIRECT."""
    memory = mmap.mmap(-1, len(data))
    memory.write(data)
    return memory


def open_direct(path, flags=os.O_RDWR):
    return os.open(path, flags | os.O_DIRECT | os.O_CLOEXEC)


def write_blocks(path, first, count, version, batch=64):
    fd = open_direct(path)
    try:
        for at in range(first, first + count, batch):
            n = min(batch, first + count - at)
            data = b"".join(block(i, version) for i in range(at, at + n))
            assert os.pwritev(fd, [aligned(data)], at * BLOCK) == len(data)
    finally:
        os.close(fd)


def check_blocks(path, first, count, version, batch=64):
    """All blocks have exactly this version."""
    fd = open_direct(path, os.O_RDONLY)
    try:
        for at in range(first, first + count, batch):
            n = min(batch, first + count - at)
            memory = mmap.mmap(-1, n * BLOCK)
            assert os.preadv(fd, [memory], at * BLOCK) == n * BLOCK
            for i in range(n):
                got = memory[i * BLOCK:(i + 1) * BLOCK]
                if got != block(at + i, version):
                    head = struct.unpack("<QQ", got[:16])
                    raise AssertionError(f"block {at + i}: wanted version {version}, found number, version {head}")
    finally:
        os.close(fd)


def fio(*arguments, timeout=120):
    done = subprocess.run(["fio", "--name=it", "--verify_state_save=0", *arguments], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
