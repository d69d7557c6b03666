"""Gap reports: what each device sent, resent, declared lost, and how long it was away.

``tally`` is part of the transaction that admits; ``report`` reads. One row a device and
day, held within ``DAYS_KEPT`` days, so the table is bounded by the inventory.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

import aiosqlite

from gateway.model.gaps import DAYS_KEPT, DayCount, day_of
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime


@dataclass(frozen=True, slots=True)
class Gap:
    """One device over some days.

    ``declared_lost`` is what the device itself gave up. ``lost`` is what the gateway had taken
    and could neither deliver nor keep (shed, or expired undelivered); it is counted since the
    queue's file exists, whatever the days.
    """

    device: DeviceId
    received: int
    duplicates: int
    declared_lost: int
    offline_ms: int
    lost: int = 0


def tally(db: sqlite3.Connection, counts: Sequence[DayCount], now: SiteTime) -> None:
    """Add ``counts`` to the day of ``now``."""
    day = day_of(now)
    db.executemany(
        "INSERT INTO device_day (device, day, received, duplicates, declared_lost, offline_ms) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "received = received + excluded.received, duplicates = duplicates + excluded.duplicates, "
        "declared_lost = declared_lost + excluded.declared_lost, "
        "offline_ms = offline_ms + excluded.offline_ms",
        [
            (one.device, day, one.received, one.duplicates, one.declared_lost, one.offline_ms)
            for one in counts
            if one.received or one.duplicates or one.declared_lost or one.offline_ms
        ],
    )


def forget(db: sqlite3.Connection, now: SiteTime) -> None:
    """Drop the days that the report does not reach any more."""
    db.execute("DELETE FROM device_day WHERE day <= ?", (day_of(now) - DAYS_KEPT,))


async def report(
    db: aiosqlite.Connection, now: SiteTime, days: int, device: DeviceId | None = None
) -> list[Gap]:
    """Return the devices of the last ``days`` days, today included, by name.

    A device that declared messages lost and sent them after all counts as having lost none.
    """
    rows = await db.execute_fetchall(
        "SELECT device, sum(received), sum(duplicates), max(0, sum(declared_lost)), "
        "sum(offline_ms) FROM device_day WHERE day > ?1 AND (?2 IS NULL OR device = ?2) "
        "GROUP BY device",
        (day_of(now) - days, device),
    )
    found = {row[0]: Gap(DeviceId(row[0]), *row[1:]) for row in rows}
    for name, lost in await _lost(db):
        if device in {None, name}:
            before = found.get(name, Gap(DeviceId(name), 0, 0, 0, 0))
            found[name] = replace(before, lost=lost)
    return [found[name] for name in sorted(found)]


async def _lost(db: aiosqlite.Connection) -> list[tuple[str, int]]:
    rows = await db.execute_fetchall(
        "SELECT device, sum(messages) FROM dropped "
        "WHERE reason LIKE 'shed%' OR reason LIKE 'lost%' OR reason = 'expired:undelivered' "
        "GROUP BY device"
    )
    return [(row[0], row[1]) for row in rows]
