"""Seal stored values under the key that is current, a bounded step at a time.

A step is one transaction: before its commit all its values are as they were, after it all
are sealed anew; so a crash loses nothing, and the walk that begins again finds what is left.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

import aiosqlite

from gateway.model.cipher import PLAIN, Cipher, UnreadableError
from gateway.model.sealed import SealedTable

LOOKED_AT_MAX: Final = 2_000
"""Rows whose key id is read at once, on a reading connection: nobody waits for that."""
STEP_BYTES_MAX: Final = 262_144
"""After so many bytes a step ends: the writer is held for some milliseconds."""
STEP_ROWS_MAX: Final = 256


async def look(db: aiosqlite.Connection, table: SealedTable, after: int) -> list[tuple[int, int]]:
    """Return (id, key id) of the next rows after id ``after``; none at the table's end."""
    rows = await db.execute_fetchall(table.scan, (after, LOOKED_AT_MAX))
    return [(row[0], row[1]) for row in rows]


def reseal(
    db: sqlite3.Connection, table: SealedTable, numbers: Sequence[int], cipher: Cipher
) -> tuple[int, list[int]]:
    """Seal the first of ``numbers`` anew, as many as fit a step.

    Returns how many were looked at, and the key ids of those that do not open: they stay as
    they are, and their keys must stay, too.
    """
    # What was replaced is overwritten with zeros, or plain text of the first schema would stay.
    db.execute("PRAGMA secure_delete = ON")
    try:
        return _resealed(db, table, numbers, cipher)
    finally:
        db.execute("PRAGMA secure_delete = OFF")


def _resealed(
    db: sqlite3.Connection, table: SealedTable, numbers: Sequence[int], cipher: Cipher
) -> tuple[int, list[int]]:
    done, size_bytes = 0, 0
    closed: list[int] = []
    for number in numbers[:STEP_ROWS_MAX]:
        if size_bytes >= STEP_BYTES_MAX:
            break
        done += 1
        row = db.execute(table.select, (number,)).fetchone()
        if row is None:  # it ended meanwhile
            continue
        key_id: int = row[0]
        sealed: bytes = row[1]
        place = table.place(row)
        try:
            if row[1] is None and table.plain is not None and key_id == PLAIN:
                content = table.plain(row)
            else:
                content = cipher.open(key_id, sealed, place)
        except UnreadableError:
            closed.append(key_id)
            continue
        current, sealed = cipher.seal(content, place)
        db.execute(table.update, (sealed, current, number))
        size_bytes += len(sealed)
    return done, closed
