"""An application that can tell what it was promised: numbered, checksummed records in a file, each synced."""

import os
import random
import struct
import threading
import time
import zlib

HEAD = struct.Struct("<4sIQQI")
MAGIC = b"qrec"


def record(number, writer):
    body = random.Random(number << 20 | writer).randbytes(200 + number * 7919 % 3000)
    head = HEAD.pack(MAGIC, len(body), number, writer, zlib.crc32(body))
    return head + struct.pack("<I", zlib.crc32(head)) + body


def scan(path):
    """The journal's intact prefix: [(number, writer)], and its length in bytes."""
    with open(path, "rb") as file:
        data = file.read()
    at, found = 0, []
    while at + HEAD.size + 4 <= len(data):
        head = data[at:at + HEAD.size]
        magic, length, number, writer, crc = HEAD.unpack(head)
        end = at + HEAD.size + 4 + length
        body = data[at + HEAD.size + 4:end]
        if magic != MAGIC or struct.unpack_from("<I", data, at + HEAD.size)[0] != zlib.crc32(head) or end > len(data) \
                or zlib.crc32(body) != crc or number != len(found):
            break
        found.append((number, writer))
        at = end
    return found, at


class Promises:
    """What was acknowledged, by whom; shared by all writers, the ones that were cut off too."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = {}  # number -> writer
        self.problems = []
        self.longest_pause = 0.0
        self.last = None
        self.count = 0

    def acknowledge(self, number, writer):
        now = time.monotonic()
        with self.lock:
            other = self.acknowledged.setdefault(number, writer)
            if other != writer:
                self.problems.append(f"record {number} was acknowledged to writer {other} and to {writer}")
            if self.last is not None:
                self.longest_pause = max(self.longest_pause, now - self.last)
                if now - self.last > 5:
                    print(f"{time.strftime('%T')} writer {writer} goes on after a pause of {now - self.last:.1f} s",
                          flush=True)
            self.last = now
            self.count += 1

    def check(self, found, where):
        with self.lock:
            for number, writer in self.acknowledged.items():
                if number >= len(found):
                    self.problems.append(f"LOST: record {number} of writer {writer} isn't there ({where})")
                    return
                if found[number] != (number, writer):
                    self.problems.append(f"LOST: record {number} is {found[number]}, was promised to {writer} ({where})")
                    return


class Writer(threading.Thread):
    """Opens the journal as it is, checks it, goes on until it fails or is stopped."""

    def __init__(self, promises, mountpoint, writer):
        super().__init__(daemon=True)
        self.promises = promises
        self.path = os.path.join(mountpoint, "journal")
        self.writer = writer
        self.stopping = threading.Event()
        self.failed = None
        self.moved = time.monotonic()

    def run(self):
        try:
            self.write_on()
        except OSError as e:
            self.failed = e

    def write_on(self):
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            found, length = scan(self.path)
            self.promises.check(found, f"writer {self.writer} begins")
            os.ftruncate(fd, length)
            os.lseek(fd, length, os.SEEK_SET)
            os.fsync(fd)
            number = len(found)
            while not self.stopping.is_set():
                data = record(number, self.writer)
                if os.write(fd, data) != len(data):
                    raise OSError("a short write")
                os.fsync(fd)
                self.promises.acknowledge(number, self.writer)
                self.moved = time.monotonic()
                number += 1
                time.sleep(0.005)
        finally:
            os.close(fd)
