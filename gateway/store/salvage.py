"""What can still be read of a damaged database file, copied into a fresh one.

SQLite refuses a damaged page and everything that hangs below it, and serves the rest. So
a table is read in the order of its row numbers; where reading fails, the next place that
can be read is searched, first in doubling steps and then by halving. Row numbers are kept.
Content is copied as it lies there: encrypted stays encrypted.
"""

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.store.migrations import Migration
from gateway.store.sqlite import connect, migrate

ROWS_A_TRANSACTION: Final = 5_000
ZONES_MAX: Final = 2_000
"""Damaged places of one table after which the rest of it is given up: each costs some seeks."""
_ROW_MOST: Final = 2**62
_HEADER_BYTES: Final = 100
_PRIMARY_CODE: Final = 0xFF


@dataclass(frozen=True, slots=True)
class Part:
    """A table, or those rows of it whose ``column`` holds one of ``values``."""

    table: str
    column: str = ""
    values: frozenset[str] = frozenset()


@dataclass(slots=True)
class Salvaged:
    """What was copied, and where reading failed."""

    rows: dict[str, int] = field(default_factory=dict[str, int])
    zones: dict[str, int] = field(default_factory=dict[str, int])
    """Places of a table that could not be read."""
    full: bool = False
    """The disk was full before everything was copied."""


class _FullError(Exception):
    """The new file takes no more."""


class _TargetError(Exception):
    """The new file is at fault, not the damaged one."""


@contextmanager
def readable(path: Path, template: Path) -> Generator[sqlite3.Connection | None]:
    """Open what is left of the file ``path`` inside the block; None if SQLite cannot at all.

    A file that was cut short is filled up with empty pages, and a first page that is lost is
    replaced by that of ``template``, a file of the same schema without rows.
    """
    _fill_up(path)
    db = _open(path)
    if db is None:
        _lend_first_page(path, template)
        db = _open(path)
    if db is None:
        yield None
        return
    with closing(db):
        yield db


def _open(path: Path) -> sqlite3.Connection | None:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError:
        db.close()
        return None
    return db


def _fill_up(path: Path) -> None:
    """Give a file that was cut short the length that its first page states."""
    with path.open("r+b") as file:
        head = file.read(_HEADER_BYTES)
        size = int.from_bytes(head[16:18], "big")
        pages = int.from_bytes(head[28:32], "big")
        page_bytes = 65_536 if size == 1 else size
        if head.startswith(b"SQLite format 3\0") and file.seek(0, 2) < page_bytes * pages:
            os.truncate(path, page_bytes * pages)


def _lend_first_page(path: Path, template: Path) -> None:
    """Put the first page of ``template`` in front of ``path``, with a size that fits."""
    head = bytearray(template.read_bytes())
    page_bytes = int.from_bytes(head[16:18], "big")
    page = head[:page_bytes]
    pages = path.stat().st_size // page_bytes
    page[28:32] = pages.to_bytes(4, "big")
    page[32:40] = bytes(8)  # no free pages: nothing is written to this file any more
    with path.open("r+b") as file:
        file.write(page)


def copy(source: sqlite3.Connection, target: sqlite3.Connection, parts: Sequence[Part]) -> Salvaged:
    """Copy ``parts`` in their order from ``source`` into ``target``, as far as both have them.

    Rows that break a rule of the new table are left out. A full disk ends the copy.
    """
    found = Salvaged()
    # What a row refers to may be lost; the caller mends that.
    target.execute("PRAGMA foreign_keys = OFF")
    # Until it is whole the new file has no name; the caller syncs it before it gets one.
    target.execute("PRAGMA synchronous = OFF")
    try:
        for part in parts:
            _Copy(source, target, part, found).run()
    except _FullError:
        found.full = True
    target.execute("PRAGMA foreign_keys = ON")
    return found


@contextmanager
def fresh(path: Path, migrations: Sequence[Migration]) -> Generator[sqlite3.Connection]:
    """Make the file ``path`` anew inside the block; all of it is on the disk afterwards."""
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    with closing(connect(path)) as db:
        migrate(db, path, migrations)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # its first page may have to be lent
        yield db
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def tables(db: sqlite3.Connection) -> list[str]:
    """Return the names of the tables of ``db``."""
    rows = db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return [name for (name,) in rows]


class _Copy:
    """One part on its way."""

    def __init__(
        self, source: sqlite3.Connection, target: sqlite3.Connection, part: Part, found: Salvaged
    ) -> None:
        self._source = source
        self._target = target
        self._part = part
        self._found = found
        self._failures = 0
        # A table that the old file's schema does not know is skipped: it has no columns there.
        have = {row[1] for row in source.execute(f"PRAGMA table_info({part.table})")}
        rows = target.execute(f"PRAGMA table_info({part.table})").fetchall()
        self._columns = [row[1] for row in rows if row[1] in have]
        key = sorted((row[5], row[1]) for row in rows if row[5])
        self._key = [name for _, name in key]
        self._wanted = self._columns.index(part.column) + 1 if have and part.column else None

    def run(self) -> None:
        if not self._columns:
            return
        self._found.rows.setdefault(self._part.table, 0)
        without_rowid = self._target.execute(
            "SELECT wr FROM pragma_table_list WHERE name = ?", (self._part.table,)
        ).fetchone()[0]
        if without_rowid:
            self._from_both_ends()
        else:
            self._by_number()

    def _by_number(self) -> None:
        at = 0
        for _ in range(ZONES_MAX):
            at, whole = self._scan(at)
            if whole:
                return
            self._failed()
            after = self._beyond(self._last_before(at))
            if after is None:
                return
            at = after

    def _last_before(self, at: int) -> int:
        """Copy what is left after ``at`` before the place where a scan failed.

        The module steps ahead of the row that it hands out: when that step fails, the row is gone.
        """
        while True:
            row = self._row(at + 1)
            if row is None:
                return at
            at = row[0]
            if self._is_wanted(row):
                self._put([row[1:]], 1)

    def _scan(self, at: int) -> tuple[int, bool]:
        """Copy rows after number ``at``; return the last one read, and whether it was the end."""
        whole = False
        chunk: list[Any] = []
        try:
            for row in self._source.execute(
                # At least, not more than: the number before may lie on the damaged page.
                self._select("_rowid_ >= ? ORDER BY _rowid_"),
                (at + 1,),
            ):
                if row[0] <= at:  # a torn page's numbers do not rise
                    break
                at = row[0]
                if self._is_wanted(row):
                    chunk.append(row[1:])
                    self._put(chunk, ROWS_A_TRANSACTION)
            else:
                whole = True
        except sqlite3.DatabaseError:
            pass  # the caller goes on behind it
        self._put(chunk, 1)
        return at, whole

    def _is_wanted(self, row: Any) -> bool:  # noqa: ANN401 -- a row of any table
        return self._wanted is None or row[self._wanted] in self._part.values

    def _beyond(self, at: int) -> int | None:
        """Return the number after which reading goes on, or None if nothing readable follows."""
        step = 1
        while self._row(at + step) is None:
            step *= 2
            if step > _ROW_MOST:
                return None
        bad, good = at + step // 2, at + step
        while good - bad > 1:
            middle = (bad + good) // 2
            if self._row(middle) is None:
                bad = middle
            else:
                good = middle
        return good - 1

    def _row(self, number: int) -> Any:  # noqa: ANN401 -- a row of any table
        """Return the first row from ``number`` on; None if there is none or it cannot be read."""
        query = self._select("_rowid_ >= ? ORDER BY _rowid_ LIMIT 1")
        try:
            row = self._source.execute(query, (number,)).fetchone()
        except sqlite3.DatabaseError:
            return None
        return None if row is None or row[0] < number else row

    def _from_both_ends(self) -> None:
        for order in ("ASC", "DESC"):
            by = ", ".join(f"{name} {order}" for name in self._key)
            chunk: list[Any] = []
            whole = False
            try:
                for row in self._source.execute(self._select(f"1 ORDER BY {by}", number="0")):
                    chunk.append(row[1:])
                    self._put(chunk, ROWS_A_TRANSACTION)
                whole = True
            except sqlite3.DatabaseError:
                pass  # the rest is read from the other end
            self._put(chunk, 1)
            if whole:
                return
            self._failed()

    def _select(self, rest: str, *, number: str = "_rowid_") -> str:
        # NOT INDEXED: an index may be damaged where its table is not.
        where = f"FROM {self._part.table} NOT INDEXED WHERE {rest}"
        return f"SELECT {number}, {', '.join(self._columns)} {where}"

    def _put(self, chunk: list[Any], least: int) -> None:
        """Store ``chunk`` and empty it, once it holds at least ``least`` rows."""
        if len(chunk) < least:
            return
        marks = ", ".join("?" * len(self._columns))
        into = f"{self._part.table} ({', '.join(self._columns)})"
        try:
            self._target.execute("BEGIN IMMEDIATE")
            cursor = self._target.executemany(
                f"INSERT OR IGNORE INTO {into} VALUES ({marks})",  # noqa: S608 -- names of our schema
                chunk,
            )
            self._target.execute("COMMIT")
        except sqlite3.Error as error:
            if self._target.in_transaction:
                self._target.execute("ROLLBACK")
            if getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE == sqlite3.SQLITE_FULL:
                raise _FullError from error
            raise _TargetError from error
        self._found.rows[self._part.table] += cursor.rowcount
        chunk.clear()

    def _failed(self) -> None:
        # The parts of a table meet the same places again.
        self._failures += 1
        before = self._found.zones.get(self._part.table, 0)
        self._found.zones[self._part.table] = max(before, self._failures)
