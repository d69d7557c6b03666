"""Devices that were cut off for their noise: the table in ``state.db``.

A restart of the gateway neither releases one early nor forgets how often it happened.
"""

import sqlite3

import aiosqlite

from gateway.intake.noise import Noisy, Phase
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime


def keep(db: sqlite3.Connection, noisy: Noisy) -> None:
    """Store where a device stands. A muted one is stored as cut: it shows again what it does."""
    db.execute(
        "INSERT INTO noisy (device, times, since_ms, until_ms) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (device) DO UPDATE SET times = excluded.times, "
        "since_ms = excluded.since_ms, until_ms = excluded.until_ms",
        (noisy.device, noisy.times, noisy.since, noisy.until),
    )


def forget(db: sqlite3.Connection, device: DeviceId) -> None:
    """Drop a device that has been quiet for long."""
    db.execute("DELETE FROM noisy WHERE device = ?", (device,))


async def known(db: aiosqlite.Connection, now: SiteTime) -> dict[DeviceId, Noisy]:
    """Return every device of the table, on a read-only connection."""
    rows = await db.execute_fetchall("SELECT device, times, since_ms, until_ms FROM noisy")
    return {
        DeviceId(name): Noisy(
            DeviceId(name),
            times,
            SiteTime(since),
            SiteTime(until),
            Phase.CUT if now < until else Phase.FREE,
        )
        for name, times, since, until in rows
    }
