"""Damage where a volume's data stands in a pool, found by content: the pool's own books are not asked.

    scribble.py note FILE BLOCKS      the checksums of FILE's first blocks, into BLOCKS
    scribble.py damage POOL BLOCKS    random bytes over 1 MiB of them, in the stopped agent's POOL
"""

import hashlib
import os
import sys

BLOCK = 4096
NOTED_BLOCKS = 4096
DAMAGED_BLOCKS = 256


def note(path, out):
    with open(path, "rb") as data, open(out, "w", encoding="ascii") as f:
        for _ in range(NOTED_BLOCKS):
            block = data.read(BLOCK)
            if len(block) < BLOCK:
                break
            f.write(hashlib.md5(block).hexdigest() + "\n")


def extents(fd):
    """(from, to) of what is not a hole."""
    at, size = 0, os.fstat(fd).st_size
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return  # holes up to the end
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        yield begin, at


def damage(pool, blocks):
    with open(blocks, encoding="ascii") as f:
        wanted = set(f.read().split())
    found = []
    fd = os.open(pool, os.O_RDWR)
    for begin, end in extents(fd):
        for at in range(begin, end, 256 * BLOCK):
            data = os.pread(fd, min(256 * BLOCK, end - at), at)
            found += [at + i for i in range(0, len(data), BLOCK)
                      if hashlib.md5(data[i:i + BLOCK]).hexdigest() in wanted]
    # Grains stand behind the journal, where older copies of the same blocks may be.
    chosen = found[-DAMAGED_BLOCKS:]
    for at in chosen:
        os.pwrite(fd, os.urandom(BLOCK), at)
    os.fsync(fd)
    os.close(fd)
    print(f"# {len(chosen)} blocks from {chosen[0] if chosen else 0} on, of {len(found)} places where they stand")
    if len(chosen) < DAMAGED_BLOCKS:
        sys.exit("too few of the blocks were found")


if __name__ == "__main__":
    {"note": note, "damage": damage}[sys.argv[1]](*sys.argv[2:])
