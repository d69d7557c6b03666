"""What came in and what was dropped, in numbers, on a read-only connection."""

import sqlite3

import aiosqlite
import msgspec

from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool.lifetime import HOUR_MS


class Drop(msgspec.Struct, frozen=True, rename={"message_class": "class"}):
    """So many messages ended without having reached the cloud.

    ``message_class`` is ``data`` for dead letters, which nobody could read further.
    ``reason`` is the outcome, with a colon and the cause where there are several.
    """

    device: str
    message_class: str
    reason: str
    messages: int


class Inflow(msgspec.Struct, frozen=True, rename={"message_class": "class"}):
    """What was admitted of one class within one hour of site time."""

    hour: int
    """Hours of site time since 1970."""
    message_class: MessageClass
    messages: int
    size_bytes: int


async def drops(db: aiosqlite.Connection) -> list[Drop]:
    """Return every count of drops, by device, class and reason."""
    rows = await db.execute_fetchall(
        "SELECT device, class, reason, messages FROM dropped ORDER BY device, class, reason"
    )
    return [Drop(*row) for row in rows]


async def drop_totals(db: aiosqlite.Connection) -> dict[str, int]:
    """Return the drops of all devices, as counters of the status document."""
    rows = await db.execute_fetchall(
        "SELECT class, reason, sum(messages) FROM dropped GROUP BY class, reason"
    )
    return {f"messages_dropped_total:{name}:{reason}": count for name, reason, count in rows}


async def inflow(db: aiosqlite.Connection, since: SiteTime) -> list[Inflow]:
    """Return what came in, hour by hour, from the hour of ``since`` on."""
    rows = await db.execute_fetchall(
        "SELECT hour, class, messages, bytes FROM inflow WHERE hour >= ? ORDER BY hour, class",
        (since // HOUR_MS,),
    )
    return [Inflow(row[0], MessageClass(row[1]), row[2], row[3]) for row in rows]


def waiting(db: sqlite3.Connection) -> int:
    """Return how many messages have not ended, on the connection of a command."""
    (rows,) = db.execute("SELECT coalesce(sum(rows), 0) FROM depth").fetchone()
    return int(rows)
