"""What the spool shows: depth, trace, alerts and their pictures, on a read-only connection."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

import aiosqlite
import msgspec

from gateway.model.cipher import Cipher, UnreadableError
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool.places import picture_place, summary_place

UNREADABLE: Final = "unreadable"
_SUMMARY: Final = msgspec.msgpack.Decoder(tuple[str, str, float])


class TraceLine(msgspec.Struct, frozen=True, rename={"message_class": "class"}):
    """One message and where it is; ``outcome`` is queued or sealed until it has ended."""

    device: str
    epoch: int
    stream: str
    seq: int
    message_class: str
    outcome: str
    batch: str | None


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages of one class that have not ended."""

    rows: int = 0
    size_bytes: int = 0
    oldest: SiteTime | None = None


@dataclass(frozen=True, slots=True)
class AlertShown:
    """One alert for the page."""

    number: int
    device: str
    kind: str
    severity: str
    label: str
    score: float
    received: SiteTime
    outcome: str
    pictured: bool


async def trace(db: aiosqlite.Connection) -> AsyncGenerator[TraceLine]:
    """Yield one line a message: what has ended first, then what waits.

    Read inside one snapshot, so a message that ends meanwhile is neither doubled nor missed.
    The connection is this trace's alone until it ends or is closed.
    """
    await db.execute("BEGIN")
    try:
        ended = await db.execute(
            "SELECT device, epoch, stream, class, first_seq, last_seq, outcome, batch "
            "FROM ended ORDER BY id"
        )
        async for device, epoch, stream, name, first, last, outcome, batch in ended:
            for seq in range(first, last + 1):
                yield TraceLine(device, epoch, stream, seq, name, outcome, batch)
        waiting = await db.execute(
            "SELECT device, epoch, stream, seq, message.class, batch, parked IS NOT NULL "
            "FROM message LEFT JOIN batch ON sha256 = batch ORDER BY id"
        )
        async for device, epoch, stream, seq, name, batch, parked in waiting:
            outcome = "queued" if batch is None else "parked" if parked else "sealed"
            yield TraceLine(device, epoch, stream, seq, name, outcome, batch)
    finally:
        await db.rollback()


async def depths(db: aiosqlite.Connection) -> dict[MessageClass, Depth]:
    """Return how much of each class waits, and since when."""
    found = {message_class: Depth() for message_class in MessageClass}
    rows = await db.execute_fetchall("SELECT class, rows, bytes FROM depth")
    for name, count, size in rows:
        if not count:
            continue
        oldest = await db.execute_fetchall(
            "SELECT received_ms FROM message WHERE class = ? AND (batch IS NULL OR batch IN "
            "(SELECT sha256 FROM batch WHERE parked IS NULL)) ORDER BY id LIMIT 1",
            (name,),
        )
        since = next((SiteTime(row[0]) for row in oldest), None)
        found[MessageClass(name)] = Depth(count, size, since)
    return found


async def alerts(db: aiosqlite.Connection, most: int, cipher: Cipher) -> list[AlertShown]:
    """Return the newest alerts, newest first. One that does not open says so in its kind."""
    rows = await db.execute_fetchall(
        "SELECT id, device, kind, severity, label, score, received_ms, outcome, picture_type, "
        "summary, key_id FROM alert ORDER BY id DESC LIMIT ?",
        (most,),
    )
    found: list[AlertShown] = []
    for r in rows:
        kind, label, score = r[2], r[4], r[5]
        if r[9] is not None:  # not stored by the first schema
            try:
                said = cipher.open(r[10], r[9], summary_place(r[0], r[1], r[6]))
                kind, label, score = _SUMMARY.decode(said)
            except (UnreadableError, msgspec.MsgspecError):
                kind = UNREADABLE
        received = SiteTime(r[6])
        shown = AlertShown(r[0], r[1], kind, r[3], label, score, received, r[7], r[8] is not None)
        found.append(shown)
    return found


async def picture(
    db: aiosqlite.Connection, number: int, cipher: Cipher
) -> tuple[str, bytes] | None:
    """Return type and bytes of an alert's picture, as its device sent them."""
    rows = await db.execute_fetchall(
        "SELECT picture_type, picture.key_id, data, device, received_ms "
        "FROM alert JOIN picture ON picture.alert = alert.id WHERE alert.id = ?",
        (number,),
    )
    for kind, key_id, data, device, received_ms in rows:
        try:
            return kind, cipher.open(key_id, data, picture_place(number, device, received_ms))
        except UnreadableError:
            return None
    return None


async def parked(db: aiosqlite.Connection) -> int:
    """Return how many batches are parked."""
    rows = await db.execute_fetchall("SELECT count(*) FROM batch WHERE parked IS NOT NULL")
    return next((int(row[0]) for row in rows), 0)


async def tallies(db: aiosqlite.Connection) -> dict[str, int]:
    """Return how many messages have ended, by class and outcome."""
    rows = await db.execute_fetchall("SELECT class, outcome, messages FROM tally")
    return {f"messages_ended_total:{name}:{outcome}": count for name, outcome, count in rows}
