"""The high-water mark of the queue, in a small file beside it.

SQLite drops the end of a write-ahead log that is torn and says nothing: right for a
transaction that never committed, silent for one that did, on a disk that lies about having
synced. So each commit is also noted here, outside of the database. What the database then
has less than this file says was committed, receipted perhaps, and lost.

The note is written after the commit and never synced: it may lag behind, and is never ahead.
"""

import contextlib
import os
import sqlite3
import zlib
from pathlib import Path
from typing import Final, Self

import msgspec

from gateway.model.errors import OperatorFaultError

NOTE_BYTES: Final = 512
"""One sector: written whole or not at all."""


class Tide(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the queue had come: the numbers that it had given out, and what waited."""

    generation: int
    issued: dict[str, int] = {}
    """The highest row number of each table that never uses one twice."""
    waiting: int = 0
    """Messages that had not ended."""
    clean: bool = False
    """The file was closed in order."""

    def missing(self, found: dict[str, int]) -> dict[str, int]:
        """Return how many rows ``found`` lacks of what this note had seen given out."""
        return {
            table: number - found.get(table, 0)
            for table, number in sorted(self.issued.items())
            if number > found.get(table, 0)
        }


def note_of(path: Path) -> Path:
    """Return where the note of the database file ``path`` lies."""
    return path.with_name(f"{path.name}.tide")


def read(path: Path) -> Tide | None:
    """Return the note of the database file ``path``; None when it is absent or torn."""
    try:
        text, _, check = note_of(path).read_bytes().partition(b"\n")
        tide = msgspec.json.decode(text, type=Tide)
    except (OSError, msgspec.MsgspecError):
        return None
    return tide if check[:8] == _check(text) else None


def issued(db: sqlite3.Connection) -> dict[str, int]:
    """Return the highest row number that each table of ``db`` has given out."""
    return dict(db.execute("SELECT name, seq FROM sqlite_sequence"))


def raise_issued(db: sqlite3.Connection, numbers: dict[str, int]) -> None:
    """Give out no row number again that ``numbers`` says was given out. In a transaction."""
    for table, number in numbers.items():
        changed = db.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, table)
        )
        if not changed.rowcount:
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))


class Gauge:
    """Writes the note after each commit, on the writer's thread. Use as ``with``."""

    def __init__(self, path: Path, generation: int) -> None:
        self._generation = generation
        self._tide: Tide | None = None
        try:
            self._file = os.open(note_of(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"{note_of(path)} cannot be written: {error.strerror}: check its owner and rights"
            raise OperatorFaultError(msg) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tide is not None:
            self._write(msgspec.structs.replace(self._tide, clean=True))
        os.close(self._file)

    def committed(self, db: sqlite3.Connection) -> None:
        """Note how far ``db`` has come."""
        # A commit stands whatever happens here; the next one meets the same page again.
        with contextlib.suppress(sqlite3.Error):
            waiting = db.execute("SELECT sum(rows) FROM depth").fetchone()[0]
            self._tide = Tide(self._generation, issued(db), int(waiting or 0))
            self._write(self._tide)

    def _write(self, tide: Tide) -> None:
        text = msgspec.json.encode(tide)
        note = (text + b"\n" + _check(text)).ljust(NOTE_BYTES)
        # On a full disk the older note stays: less is noticed, and nothing is wrong.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, note, 0)


def _check(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)
