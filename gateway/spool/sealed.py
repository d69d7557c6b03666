"""Sealed batches as they lie on the disk: those that wait for the cloud, and those set aside."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiosqlite

from gateway.model.cipher import Cipher, UnreadableError
from gateway.model.outcome import MessageClass, Outcome
from gateway.model.time import SiteTime
from gateway.spool import store
from gateway.spool.ending import mark_alerts
from gateway.spool.lifetime import HOUR_MS, ranges
from gateway.spool.places import batch_place

DROPPED_A_SWEEP_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Head:
    """A batch that waits, without its bytes."""

    number: int
    sha256: str
    message_class: MessageClass
    sealed: SiteTime


@dataclass(frozen=True, slots=True)
class Parked:
    """A batch that the cloud refused for good. ``size_bytes``: it and its messages."""

    sha256: str
    message_class: MessageClass
    rows: int
    items: int
    sealed: SiteTime
    parked: SiteTime | None
    reason: str
    body_bytes: int
    message_bytes: int


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers of one stream of a device, both ends included."""

    device: str
    epoch: int
    stream: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A batch whose bytes do not open any more: it can be set aside, never sent."""

    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """Messages of a batch that are sealed anew; None: nothing of them may leave after all."""

    batch: store.SealedBatch | None
    message_ids: tuple[int, ...]


async def heads(db: aiosqlite.Connection) -> list[Head]:
    """Return the batches that wait, in the order of their sealing."""
    rows = await db.execute_fetchall(
        "SELECT number, sha256, class, sealed_ms FROM batch WHERE parked IS NULL ORDER BY number"
    )
    return [Head(r[0], r[1], MessageClass(r[2]), SiteTime(r[3])) for r in rows]


async def batch(
    db: aiosqlite.Connection, sha256: str, cipher: Cipher
) -> store.SealedBatch | Unreadable | None:
    """Return a batch with its bytes, wherever it stands."""
    rows = await db.execute_fetchall(
        "SELECT sha256, body, class, rows, items, key_id FROM batch WHERE sha256 = ?", (sha256,)
    )
    for name, stored, message_class, rows_inside, items, key_id in rows:
        try:
            body = cipher.open(key_id, stored, batch_place(name))
        except UnreadableError:
            return Unreadable(name)
        return store.SealedBatch(name, body, MessageClass(message_class), rows_inside, items)
    return None


async def messages(
    db: aiosqlite.Connection, sha256: str
) -> tuple[MessageClass, str, tuple[int, ...]] | None:
    """Return class, contract and message numbers of a batch; None when it has no messages."""
    rows = list(
        await db.execute_fetchall(
            "SELECT id, class, contract FROM message WHERE batch = ? ORDER BY id", (sha256,)
        )
    )
    if not rows:
        return None
    return MessageClass(rows[0][1]), rows[0][2], tuple(row[0] for row in rows)


async def parked(db: aiosqlite.Connection, beginning: str = "") -> list[Parked]:
    """Return what is parked, oldest first; of those, whose digest begins so."""
    rows = await db.execute_fetchall(
        "SELECT sha256, class, rows, items, sealed_ms, parked_ms, parked, length(body), "
        "(SELECT coalesce(sum(size_bytes), 0) FROM message WHERE batch = sha256) FROM batch "
        "WHERE parked IS NOT NULL AND substr(sha256, 1, ?) = ? ORDER BY number",
        (len(beginning), beginning),
    )
    return [
        Parked(
            r[0],
            MessageClass(r[1]),
            r[2],
            r[3],
            SiteTime(r[4]),
            None if r[5] is None else SiteTime(r[5]),
            r[6],
            r[7],
            r[8],
        )
        for r in rows
    ]


async def parked_since(db: aiosqlite.Connection, since: SiteTime, most: int) -> list[SiteTime]:
    """Return when the latest ``most`` batches were parked after ``since``, in order of time."""
    rows = await db.execute_fetchall(
        "SELECT parked_ms FROM batch WHERE parked IS NOT NULL AND parked_ms > ? "
        "ORDER BY parked_ms DESC LIMIT ?",
        (since, most),
    )
    return sorted(SiteTime(row[0]) for row in rows)


async def manifest(db: aiosqlite.Connection, sha256: str) -> list[Range]:
    """Return which messages a batch holds. This stays on site: the cloud learns only rows."""
    rows = await db.execute_fetchall(
        "SELECT device, epoch, stream, seq FROM message WHERE batch = ? "
        "ORDER BY device, epoch, stream, seq",
        (sha256,),
    )
    streams: dict[tuple[str, int, str], list[int]] = {}
    for device, epoch, stream, seq in rows:
        streams.setdefault((device, epoch, stream), []).append(seq)
    return [
        Range(*where, first, last)
        for where, seqs in streams.items()
        for first, last in ranges(seqs)
    ]


def reseal(
    db: sqlite3.Connection, sha256: str, parts: Sequence[Part], now: SiteTime, cipher: Cipher
) -> bool:
    """Replace a waiting batch by ``parts`` of its messages; False, and no change, if it moved on.

    Crash: before the commit the refused batch waits as before; after it only the parts do.
    Each of its messages is in exactly one of them.
    """
    gone = db.execute("DELETE FROM batch WHERE sha256 = ? AND parked IS NULL", (sha256,))
    if not gone.rowcount:
        return False
    db.execute("UPDATE message SET batch = NULL WHERE batch = ?", (sha256,))
    for part in parts:
        if part.batch is None:
            store.withhold(db, part.message_ids)
            mark_alerts(db, part.message_ids, Outcome.QUEUED)
        elif not store.seal(db, part.batch, part.message_ids, now, cipher):
            msg = f"a part of batch {sha256[:12]} names messages that are not in it"
            raise ValueError(msg)  # a bug: nothing of this transaction stays
    return True


def hold_parked(db: sqlite3.Connection, now: SiteTime, *, kept_h: int, bytes_max: int) -> int:
    """Hold what is parked within its time and size; return how many batches were dropped.

    Nobody decided about them: what was parked for ``kept_h``, or has outlived what its
    contract keeps, has expired; above ``bytes_max`` the oldest are shed. A bounded number
    at a time.
    """
    rows = db.execute(
        "SELECT sha256, coalesce(parked_ms, sealed_ms) AS since_ms, length(body) + "
        "(SELECT coalesce(sum(size_bytes), 0) FROM message WHERE batch = sha256), "
        # Alerts that leave have no time of their own: then only the first rule holds.
        "(SELECT iif(count(*) = count(expires_ms), max(expires_ms), NULL) "
        "FROM message WHERE batch = sha256) "
        "FROM batch WHERE parked IS NOT NULL ORDER BY since_ms, number"
    ).fetchall()
    left_bytes = sum(row[2] for row in rows)
    dropped = 0
    for sha256, since, size_bytes, expires in rows:
        expired = now - since >= kept_h * HOUR_MS or (expires is not None and expires <= now)
        if dropped == DROPPED_A_SWEEP_MAX:
            break
        if expired or left_bytes > bytes_max:
            outcome = Outcome.EXPIRED if expired else Outcome.SHED
            store.drop_parked(db, sha256, outcome, now, why="parked")
            left_bytes -= size_bytes
            dropped += 1
    return dropped
