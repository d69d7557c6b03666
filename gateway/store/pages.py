"""Whether all pages of a database file are what SQLite expects.

SQLite finds a damaged page only when it needs it. Looking at all of them finds it before,
at the price of reading the file once.
"""

import sqlite3
from typing import Final

import aiosqlite

_WHOLE: Final = "ok"


def found(db: sqlite3.Connection) -> str:
    """Return what is wrong with the pages of ``db``, a small file; empty if nothing is."""
    try:
        said = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        said = str(error)
    return "" if said == _WHOLE else " ".join(said.split())


def size_bytes(db: sqlite3.Connection) -> int:
    """Return the size of a page of ``db``."""
    return int(db.execute("PRAGMA page_size").fetchone()[0])


async def damage(db: aiosqlite.Connection) -> str:
    """Return what is wrong with the pages of ``db``; empty if nothing is.

    Table by table, so that no snapshot lasts longer than one table is read.
    """
    try:
        names = await db.execute_fetchall(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        for (name,) in names:
            for (said,) in await db.execute_fetchall(f"PRAGMA quick_check({name})"):
                if said != _WHOLE:
                    return f"table {name}: {' '.join(str(said).split())}"
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""
