"""The disk below the queue: its free space, and a reserve that lies on it as a file.

The reserve is real space that no other program can take. It is given up when a write finds
the disk full, so that making room, which needs a few pages itself, and ``state.db`` get
through, and it is laid again when there is space for it.
"""

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.spool.budget import Disk

RESERVE: Final = "reserve"
TRIAL: Final = "trial"
ASIDE: Final = ".aside-"
"""Between the name of the queue's file and the generation of one that was damaged."""
BLOCK_BYTES: Final = 512
SPARE_BYTES: Final = 1_048_576
"""So much must stay free when the reserve is laid: it shall not fill the disk itself."""


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of the queue's file, and the size that its reserve should have."""

    spool_db: Path
    reserve_bytes: int

    @property
    def reserve(self) -> Path:
        """Where the reserve lies."""
        return self.spool_db.with_name(RESERVE)

    def look(self) -> Disk:
        """Return what the file system says now; one that cannot be asked has no room."""
        try:
            found = os.statvfs(self.spool_db.parent)
        except OSError:
            return Disk(0, 0, 0, 0)
        return Disk(
            free_bytes=found.f_bavail * found.f_frsize,
            file_bytes=_size(self.spool_db),
            wal_bytes=_size(self.spool_db.with_name(self.spool_db.name + "-wal")),
            reserve_bytes=_laid(self.reserve),
            read_only=bool(found.f_flag & os.ST_RDONLY),
        )

    def takes_no_writes(self) -> bool:
        """Say whether the file system refuses every change, by trying one.

        After an error of the disk the kernel closes a file system without marking it so.
        """
        trial = self.spool_db.with_name(TRIAL)
        try:
            os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            trial.unlink()
        except OSError as error:
            return error.errno == errno.EROFS
        return False

    def give_up(self) -> bool:
        """Free the reserve; False if none was laid, or the disk takes no changes."""
        try:
            self.reserve.unlink()
        except OSError:
            return False
        return True

    def give_up_aside(self) -> str:
        """Delete the oldest file of a queue that was set aside; return its name, or ""."""
        found = self.spool_db.parent.glob(f"{self.spool_db.name}{ASIDE}*")
        oldest = min(found, key=_age, default=None)
        if oldest is None:
            return ""
        with suppress(OSError):
            oldest.unlink()
            return oldest.name
        return ""

    def lay(self) -> bool:
        """Lay the reserve if it is not there and fits; return whether it lies now.

        Crash: a piece of a reserve is found at the next call, and laid anew.
        """
        disk = self.look()
        if disk.reserve_bytes == self.reserve_bytes:
            return True
        room = disk.free_bytes + disk.reserve_bytes
        if room < self.reserve_bytes + SPARE_BYTES:
            return False
        self.give_up()
        try:
            descriptor = os.open(self.reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self.reserve_bytes)
            finally:
                os.close(descriptor)
        except OSError:
            with suppress(OSError):
                self.reserve.unlink()
            return False
        return True


def _age(aside: Path) -> tuple[int, str]:
    generation = aside.name.rpartition(ASIDE)[2].partition("-")[0]
    return int(generation) if generation.isdecimal() else 0, aside.name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _laid(path: Path) -> int:
    """Return how many bytes of the disk a file holds: a copy of it may be full of holes."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    return min(found.st_size, BLOCK_BYTES * found.st_blocks)
