"""The wrapped data keys and the floors in ``state.db``: all their SQL.

A floor is the highest value that a name has had: it is raised and never lowered, also not by
a restore.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

import aiosqlite

from gateway.identity.keyring import StoredKey
from gateway.model.time import SiteTime

RETIRED: Final = "queue-key-retired"
"""Floor: values under data keys up to this number are to be sealed anew."""
PLAIN_ENDED: Final = "queue-plain-ended"
"""Floor: 1 once no plain text of the first schema is left; from then on none is believed."""

RESTORES: Final = "restores"
"""Floor: how often this site was restored from a backup."""
CONFIRMED: Final = "restores-confirmed"
"""Floor: up to which restore an operator has confirmed."""

_ALL: Final = "SELECT id, created_ms, kek, wrapped, recovery FROM data_key ORDER BY id"


def data_keys(db: sqlite3.Connection) -> tuple[StoredKey, ...]:
    """Return all data keys, oldest first."""
    return tuple(_stored(row) for row in db.execute(_ALL))


async def read_data_keys(db: aiosqlite.Connection) -> tuple[StoredKey, ...]:
    """Return all data keys, oldest first, on a read-only connection."""
    return tuple(_stored(tuple(row)) for row in await db.execute_fetchall(_ALL))


def next_number(db: sqlite3.Connection) -> int:
    """Return the number of the next data key; one that was dropped is never used again."""
    (last,) = db.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'data_key'"
    ).fetchone()
    return int(last) + 1


def raise_number(db: sqlite3.Connection, last: int) -> None:
    """Give no data key a number up to ``last``."""
    changed = db.execute(
        "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'data_key'", (last,)
    )
    if not changed.rowcount:
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('data_key', ?)", (last,))


def keep(db: sqlite3.Connection, keys: Sequence[StoredKey]) -> None:
    """Store data keys, new ones and those that are wrapped anew."""
    db.executemany(
        "INSERT INTO data_key (id, created_ms, kek, wrapped, recovery) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET kek = excluded.kek, wrapped = excluded.wrapped",
        [(one.number, one.created, one.kek, one.wrapped, one.recovery) for one in keys],
    )


def drop(db: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Forget data keys under which nothing lies any more."""
    db.executemany("DELETE FROM data_key WHERE id = ?", [(number,) for number in numbers])


def raise_floor(db: sqlite3.Connection, name: str, value: int) -> None:
    """Store ``value`` as the floor ``name`` unless it is higher already."""
    db.execute(
        "INSERT INTO floor (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
        (name, value),
    )


def floors(db: sqlite3.Connection) -> dict[str, int]:
    """Return all floors by name."""
    return dict(db.execute("SELECT name, value FROM floor").fetchall())


def note_restore(db: sqlite3.Connection) -> None:
    """Note that this state came from a backup; until it is confirmed, it is unconfirmed."""
    raise_floor(db, RESTORES, floors(db).get(RESTORES, 0) + 1)


def unconfirmed(db: sqlite3.Connection) -> bool:
    """Return whether the site was restored and nobody has confirmed it."""
    found = floors(db)
    return found.get(RESTORES, 0) > found.get(CONFIRMED, 0)


def confirm(db: sqlite3.Connection) -> None:
    """Note that an operator has replayed or confirmed what was forbidden after the backup."""
    raise_floor(db, CONFIRMED, floors(db).get(RESTORES, 0))


def _stored(row: tuple[int, int, str, bytes, bytes]) -> StoredKey:
    return StoredKey(row[0], SiteTime(row[1]), row[2], row[3], row[4])
