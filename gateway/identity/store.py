"""The device inventory in ``state.db``: all its SQL."""

import sqlite3
from typing import Final

import aiosqlite

from gateway.identity import keystore
from gateway.identity.inventory import Addition, Device
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs

MIGRATIONS: Final = (
    """
    CREATE TABLE device (
        id           TEXT PRIMARY KEY,
        profile      TEXT NOT NULL,
        access       TEXT NOT NULL,
        serial       TEXT NOT NULL UNIQUE,
        fingerprint  TEXT NOT NULL UNIQUE,
        not_after_ms INTEGER NOT NULL,
        added_ms     INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)
KEYRING: Final = (
    """
    CREATE TABLE data_key (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        created_ms  INTEGER NOT NULL,
        kek         TEXT NOT NULL,
        wrapped     BLOB NOT NULL,
        recovery    BLOB NOT NULL
    ) STRICT
    """,
)
"""The data keys of the queue, wrapped by the key-encryption key ``kek`` and by the recovery key."""

FLOORS: Final = (
    """
    CREATE TABLE floor (
        name   TEXT PRIMARY KEY,
        value  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)
"""The highest value that each name has had; a restore may raise it and never lower it."""

_ALL: Final = (
    "SELECT id, profile, access, serial, fingerprint, not_after_ms, added_ms "
    "FROM device ORDER BY id"
)

_Row = tuple[str, str, str, str, str, int, int]


def add(db: sqlite3.Connection, device: Device, devices_max: int) -> Addition:
    """Add ``device`` unless its id is taken or the site has ``devices_max`` devices.

    Runs in the caller's transaction: two commands at once cannot both take an id.
    """
    if db.execute("SELECT 1 FROM device WHERE id = ?", (device.id,)).fetchone() is not None:
        return Addition.EXISTS
    if keystore.unconfirmed(db):
        return Addition.RESTORED
    (count,) = db.execute("SELECT count(*) FROM device").fetchone()
    if count >= devices_max:
        return Addition.FULL
    put(db, device)
    return Addition.ADDED


def put(db: sqlite3.Connection, device: Device) -> None:
    """Store ``device`` as it is, also over one of its id."""
    db.execute(
        "INSERT OR REPLACE INTO device "
        "(id, profile, access, serial, fingerprint, not_after_ms, added_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            device.id,
            device.profile,
            device.access.value,
            device.serial,
            device.fingerprint,
            device.not_after,
            device.added,
        ),
    )


def restrict(db: sqlite3.Connection, device: DeviceId, access: Access) -> None:
    """Set what a known device may do."""
    db.execute("UPDATE device SET access = ? WHERE id = ?", (access.value, device))


def devices(db: sqlite3.Connection) -> tuple[Device, ...]:
    """Return all devices by id."""
    return tuple(map(_device, db.execute(_ALL).fetchall()))


async def read_devices(db: aiosqlite.Connection) -> tuple[Device, ...]:
    """Return all devices by id, on a read-only connection."""
    return tuple(_device(row) for row in await db.execute_fetchall(_ALL))


def _device(row: sqlite3.Row | _Row) -> Device:
    name, profile, access, serial, fingerprint, not_after_ms, added_ms = row
    return Device(
        DeviceId(name),
        profile,
        Access(access),
        serial,
        fingerprint,
        UnixMs(not_after_ms),
        UnixMs(added_ms),
    )
