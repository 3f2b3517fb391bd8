"""A file on a disk that hangs, or fails its reads, when it is told so: a FUSE filesystem in a process of its own."""

import pathlib
import shutil
import subprocess
import tempfile

from cluster import BUILD, wait_for

PROGRAM = BUILD / "tests/lib/hanging-file"


class HangingFile:
    def __init__(self, size_bytes):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="quoin-hang-"))
        self.backing = self.dir / "backing"
        self.mount = self.dir / "mount"
        self.mount.mkdir()
        self.path = self.mount / "pool"
        with open(self.backing, "wb") as f:
            f.truncate(size_bytes)
        self.process = subprocess.Popen([str(PROGRAM), str(self.mount), str(self.backing)], stdin=subprocess.DEVNULL)
        try:
            wait_for("the filesystem", self.path.exists)
        except BaseException:
            self.close()
            raise

    def mode(self, word):
        """pass, hang, hang-far, hang-one-read or bad-reads: see tests/lib/hanging_file.c."""
        new = self.dir / "new"
        new.write_text(word)
        new.rename(f"{self.backing}.mode")

    def close(self):
        self.mode("pass")
        subprocess.run(["umount", "-l", str(self.mount)], timeout=20, stderr=subprocess.DEVNULL)
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)
