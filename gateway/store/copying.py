"""A copy of a database while it is written (adapter: SQLite's online backup).

The copy is what was committed at one moment. Writers go on meanwhile: the copy reads inside
one snapshot of the write-ahead log, which can only not shrink until it is done.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.store.sqlite import StoreError

STEP_PAGES: Final = 4_096


def copy(source: Path, target: Path, going_on: Callable[[], bool] = lambda: True) -> None:
    """Copy the database ``source`` to the new file ``target``, which nobody may open meanwhile.

    ``going_on`` is asked between two steps; when it says no the copy ends without its whole.

    Raises:
        sqlite3.Error: the source is damaged, or a disk refuses.
        InterruptedError: ``going_on`` said no.
    """

    def look(_status: int, _remaining: int, _total: int) -> None:
        if not going_on():
            raise InterruptedError

    uri = f"{source.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as read,
        closing(sqlite3.connect(target, isolation_level=None)) as written,
    ):
        # In a transaction: else each commit of the gateway would make the copy begin anew.
        read.execute("BEGIN")
        read.execute("SELECT count(*) FROM sqlite_master").fetchone()
        read.backup(written, pages=STEP_PAGES, progress=look, sleep=0)
        # One file, without a write-ahead log beside it.
        written.execute("PRAGMA journal_mode = DELETE")


def check(path: Path) -> None:
    """Read a whole database that nobody uses.

    Raises:
        StoreError: it is damaged.
    """
    try:
        with closing(sqlite3.connect(path)) as db:
            found = [row[0] for row in db.execute("PRAGMA quick_check(5)")]
    except sqlite3.Error as error:
        found = [str(error)]
    if found != ["ok"]:
        msg = f"{path.name} is damaged: {'; '.join(found)}"
        raise StoreError(msg)


def size_bytes(path: Path) -> int:
    """Return how much a copy of a database takes at most."""
    beside = (path, path.with_name(f"{path.name}-wal"))
    return sum(one.stat().st_size for one in beside if one.exists())
