"""What it means when SQLite could not write: the disk is full, closed to writes, or broken."""

import sqlite3
from collections.abc import Callable
from typing import Final

from gateway.intake.problems import WRITE_FAILED
from gateway.model.problem import Problem, Raised
from gateway.spool.budget import Disk
from gateway.spool.problems import DISK_FULL, DISK_READ_ONLY

PROBLEMS: Final = (DISK_FULL, DISK_READ_ONLY, WRITE_FAILED)
"""At most one of them stands for one file."""
PRIMARY_CODE: Final = 0xFF
FULL_BYTES: Final = 262_144
"""With less than this left, a refusal of any kind is the full disk's: SQLite calls it an I/O
error when the -shm or the directory cannot grow."""
MAY_BE_FULL: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})

Judge = Callable[[str, sqlite3.Error], Raised]


def judge(file: str, error: sqlite3.Error, disk: Disk | None = None) -> Raised:
    """Return the one problem that ``error`` at ``file`` is, with what SQLite said."""
    return Raised(_problem(error, disk), file, str(error))


def _problem(error: sqlite3.Error, disk: Disk | None) -> Problem:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY_CODE
    if code == sqlite3.SQLITE_READONLY or (disk is not None and disk.read_only):
        return DISK_READ_ONLY
    if code == sqlite3.SQLITE_FULL:
        return DISK_FULL
    if code in MAY_BE_FULL and disk is not None and disk.free_bytes < FULL_BYTES:
        return DISK_FULL
    return WRITE_FAILED
