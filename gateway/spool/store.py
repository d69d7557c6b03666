"""All writes of the spool. Each function is part of one transaction on the writer thread.

A message is in exactly one place: in ``message`` (queued, sealed into a batch, or parked
with its batch) or in ``ended`` with its outcome (promise P1). Every function moves it from
one to the other whole, so a crash leaves it before or after, never in both and in none.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.model.cipher import Cipher
from gateway.model.contract import Contract, ContractInForce
from gateway.model.message import Key, Message
from gateway.model.outcome import MessageClass, Outcome, Stream
from gateway.model.telemetry import AlertItem, Image
from gateway.model.time import SiteTime
from gateway.spool.ending import ROW, End, Row, deepen, end, fold_drops, mark_alerts, record, tally
from gateway.spool.lifetime import HOUR_MS, lifetime
from gateway.spool.limits import EXPIRED_A_SWEEP_MAX
from gateway.spool.places import batch_place, message_place, picture_place, summary_place

PARKED_ALERTS_SHOWN_H: Final = 720
WITHHELD_KEPT_H: Final = 24
INFLOW_KEPT_H: Final = 48
_ENCODER: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A batch as it lies on the disk."""

    sha256: str
    body: bytes
    message_class: MessageClass
    rows: int
    items: int


def remember(
    db: sqlite3.Connection, contracts: Sequence[ContractInForce]
) -> dict[str, ContractInForce]:
    """Keep the contracts now in force, and return them with those of messages that still wait.

    A message leaves under the contract it came under, also after the profile has changed.
    """
    db.executemany(
        "INSERT OR IGNORE INTO contract (sha256, body) VALUES (?, ?)",
        [(one.sha256, msgspec.json.encode(one.contract)) for one in contracts],
    )
    current = {one.sha256: one for one in contracts}
    for sha256, body in db.execute("SELECT sha256, body FROM contract").fetchall():
        if sha256 in current:
            continue
        # The oldest messages came under the oldest contracts: this seldom reads far. To ask
        # for all contracts in use would read the whole queue at every start.
        if db.execute("SELECT 1 FROM message WHERE contract = ? LIMIT 1", (sha256,)).fetchone():
            contract = msgspec.json.decode(body, type=Contract)
            current[sha256] = ContractInForce(contract, sha256)
        else:
            db.execute("DELETE FROM contract WHERE sha256 = ?", (sha256,))
    return current


def enqueue(
    db: sqlite3.Connection,
    messages: Sequence[Message],
    now: SiteTime,
    contracts: Mapping[str, ContractInForce],
    cipher: Cipher,
) -> None:
    """Keep ``messages``; ``contracts`` holds the contract of each by its SHA-256."""
    gained: Counter[str] = Counter()
    gained_bytes: Counter[str] = Counter()
    for message in messages:
        life = lifetime(contracts[message.contract_sha256].contract, message.message_class, now)
        # Pictures lie in a table of their own: a queue is read without dragging them along.
        items = [_without_image(item) if isinstance(item, AlertItem) else item
                 for item in message.items]  # fmt: skip
        key, name = message.key, message.message_class.value
        origin = key.device, key.epoch, key.stream.value, key.seq
        place = message_place(origin, name, message.contract_sha256)
        key_id, body = cipher.seal(_ENCODER.encode(items), place)
        size = len(body) + sum(len(image.data) for image in _images(message) if image)
        cursor = db.execute(
            "INSERT INTO message (device, epoch, stream, seq, class, contract, received_ms, boot, "
            "mono_ms, expires_ms, leaves, size_bytes, body, key_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *origin,
                name,
                message.contract_sha256,
                now,
                message.boot,
                message.mono_ms,
                life.expires,
                life.leaves,
                size,
                body,
                key_id,
            ),
        )
        if message.message_class is MessageClass.ALERT:
            _keep_alerts(db, int(cursor.lastrowid or 0), message, now, cipher)
        gained[name] += 1
        gained_bytes[name] += size
    for name, rows in gained.items():
        deepen(db, name, rows, gained_bytes[name])
        db.execute(
            "INSERT INTO inflow (hour, class, messages, bytes) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET messages = messages + excluded.messages, "
            "bytes = bytes + excluded.bytes",
            (now // HOUR_MS, name, rows, gained_bytes[name]),
        )


def _images(message: Message) -> list[Image | None]:
    return [item.image for item in message.items if isinstance(item, AlertItem)]


def _without_image(item: AlertItem) -> AlertItem:
    return item if item.image is None else msgspec.structs.replace(item, image=None)


def _keep_alerts(
    db: sqlite3.Connection, number: int, message: Message, now: SiteTime, cipher: Cipher
) -> None:
    # The id is part of what the summary is bound to, so it is known before the row is there.
    (last,) = db.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'alert'"
    ).fetchone()
    device = message.key.device
    for item in message.items:
        if not isinstance(item, AlertItem):
            continue
        last += 1
        said = _ENCODER.encode((item.kind, item.label, item.score))
        key_id, summary = cipher.seal(said, summary_place(last, device, now))
        db.execute(
            "INSERT INTO alert (id, message, device, kind, severity, label, score, received_ms, "
            "outcome, picture_type, summary, key_id) "
            "VALUES (?, ?, ?, '', ?, '', 0, ?, ?, ?, ?, ?)",
            (
                last,
                number,
                device,
                item.severity,
                now,
                Outcome.QUEUED.value,
                item.image.type if item.image else None,
                summary,
                key_id,
            ),
        )
        if item.image is not None:
            key_id, picture = cipher.seal(item.image.data, picture_place(last, device, now))
            db.execute(
                "INSERT INTO picture (alert, data, key_id) VALUES (?, ?, ?)",
                (last, picture, key_id),
            )


def bury(db: sqlite3.Connection, letters: Sequence[tuple[Key, str]], now: SiteTime) -> None:
    """Record dead letters, (key, reason), as ended; their content lies in the intake's table."""
    for key, reason in letters:
        name = "alert" if key.stream is Stream.ALERT else "data"
        where = (key.device, key.epoch, key.stream.value, name)
        record(db, where, [key.seq], End(Outcome.DEAD_LETTERED, now, why=reason))


def seal(
    db: sqlite3.Connection,
    batch: SealedBatch,
    message_ids: Sequence[int],
    now: SiteTime,
    cipher: Cipher,
) -> bool:
    """Store ``batch`` and bind its messages to it; False, and no change, if one is gone.

    Crash: before the commit the messages are queued as before and are sealed anew, perhaps
    into other bytes, of which none has left yet.
    """
    marks = ",".join("?" * len(message_ids))
    waiting = db.execute(
        f"SELECT count(*) FROM message WHERE batch IS NULL AND id IN ({marks})",  # noqa: S608 -- question marks only
        message_ids,
    ).fetchone()
    if waiting[0] != len(message_ids):
        return False
    key_id, body = cipher.seal(batch.body, batch_place(batch.sha256))
    db.execute(
        "INSERT INTO batch (sha256, class, rows, items, sealed_ms, body, key_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (batch.sha256, batch.message_class.value, batch.rows, batch.items, now, body, key_id),
    )
    db.executemany(
        "UPDATE message SET batch = ? WHERE id = ?",
        [(batch.sha256, number) for number in message_ids],
    )
    mark_alerts(db, message_ids, Outcome.SEALED)
    return True


def withhold(db: sqlite3.Connection, message_ids: Sequence[int]) -> None:
    """Keep messages here of which the contract lets nothing leave; retention ends them."""
    db.executemany(
        "UPDATE message SET leaves = 0, expires_ms = coalesce(expires_ms, received_ms + ?) "
        "WHERE id = ?",
        [(WITHHELD_KEPT_H * HOUR_MS, number) for number in message_ids],
    )


def discard(db: sqlite3.Connection, message_ids: Sequence[int], now: SiteTime) -> int:
    """End messages whose content does not open any more, as dead letters; return how many."""
    rows: list[Row] = []
    for number in message_ids:
        rows += db.execute(
            f"SELECT {ROW} FROM message WHERE id = ? AND batch IS NULL",  # noqa: S608 -- a constant
            (number,),
        ).fetchall()
    shown_until = SiteTime(now + WITHHELD_KEPT_H * HOUR_MS)
    end(db, rows, End(Outcome.DEAD_LETTERED, now, alerts_until=shown_until, why="unreadable"))
    return len(rows)


def delivered(db: sqlite3.Connection, sha256: str, now: SiteTime, kept_alerts_ms: int) -> None:
    """End the batch's messages as delivered and drop its bytes. Twice changes nothing."""
    gone = db.execute("DELETE FROM batch WHERE sha256 = ? AND parked IS NULL", (sha256,))
    if gone.rowcount:
        until = SiteTime(now + kept_alerts_ms)
        _end_batch(db, sha256, End(Outcome.DELIVERED, now, sha256, until))


def park(db: sqlite3.Connection, sha256: str, reason: str, now: SiteTime) -> None:
    """Set the batch's messages aside as parked; twice changes nothing.

    They count as ended, yet rows and bytes stay, for inspection and a later try: ``depth``
    no longer holds them, ``tally`` does.
    """
    changed = db.execute(
        "UPDATE batch SET parked = ?, parked_ms = ? WHERE sha256 = ? AND parked IS NULL",
        (reason, now, sha256),
    )
    if changed.rowcount:
        _count_parked(db, sha256, 1)
        until = SiteTime(now + PARKED_ALERTS_SHOWN_H * HOUR_MS)
        mark_alerts(db, _ids(db, sha256), Outcome.PARKED, until)


def unpark(db: sqlite3.Connection, sha256: str) -> bool:
    """Let a parked batch wait again, with the same bytes; False if none of that name is parked."""
    changed = db.execute(
        "UPDATE batch SET parked = NULL, parked_ms = NULL "
        "WHERE sha256 = ? AND parked IS NOT NULL "
        # The first schema's program kept no messages of what it parked: see their trace.
        "AND EXISTS (SELECT 1 FROM message WHERE batch = sha256)",
        (sha256,),
    )
    if not changed.rowcount:
        return False
    _count_parked(db, sha256, -1)
    mark_alerts(db, _ids(db, sha256), Outcome.SEALED)
    return True


def drop_parked(
    db: sqlite3.Connection, sha256: str, outcome: Outcome, now: SiteTime, *, why: str
) -> bool:
    """End a parked batch's messages with ``outcome`` and drop its bytes; False if none is."""
    if unpark(db, sha256):
        _end_batch(db, sha256, End(outcome, now, sha256, now, why))
        db.execute("DELETE FROM batch WHERE sha256 = ?", (sha256,))
        return True
    gone = db.execute("DELETE FROM batch WHERE sha256 = ? AND parked IS NOT NULL", (sha256,))
    return gone.rowcount > 0


def expire(
    db: sqlite3.Connection, now: SiteTime, told: Counter[tuple[str, str]] | None = None
) -> int:
    """End up to a bounded number of messages whose retention is over; return how many.

    ``told`` counts them by class and contract; it holds once the transaction is committed.
    """
    rows = db.execute(
        f"SELECT leaves, contract, class, {ROW} FROM message "  # noqa: S608 -- columns of ours
        "WHERE expires_ms <= ? AND batch IS NULL ORDER BY expires_ms LIMIT ?",
        (now, EXPIRED_A_SWEEP_MAX),
    ).fetchall()
    # What was to leave and did not is a loss; what never leaves has had its time.
    for leaves, why in ((0, ""), (1, "undelivered")):
        those = [row[3:] for row in rows if row[0] == leaves]
        end(db, those, End(Outcome.EXPIRED, now, alerts_until=now, why=why))
    if told is not None:
        told.update((row[2], row[1]) for row in rows)
    return len(rows)


def prune(db: sqlite3.Connection, now: SiteTime, *, trace_rows: int, alerts: int) -> int:
    """Hold the trace, the ended alerts and the counts within bounds and retention.

    Returns how many alerts went that were kept for the page alone, because their time was over.
    """
    db.execute("DELETE FROM ended WHERE id <= (SELECT max(id) FROM ended) - ?", (trace_rows,))
    gone = db.execute("DELETE FROM alert WHERE expires_ms <= ?", (now,)).rowcount
    db.execute(
        "DELETE FROM alert WHERE expires_ms IS NOT NULL AND id <= (SELECT max(id) FROM alert) - ?",
        (alerts,),
    )
    db.execute("DELETE FROM inflow WHERE hour < ?", (now // HOUR_MS - INFLOW_KEPT_H,))
    fold_drops(db)
    return gone


def _ids(db: sqlite3.Connection, sha256: str) -> list[int]:
    return [row[0] for row in db.execute("SELECT id FROM message WHERE batch = ?", (sha256,))]


def _count_parked(db: sqlite3.Connection, sha256: str, sign: int) -> None:
    """Move the batch's messages from what waits to what is parked; ``sign`` -1: back again."""
    found = db.execute(
        "SELECT class, count(*), sum(size_bytes) FROM message WHERE batch = ? GROUP BY class",
        (sha256,),
    ).fetchall()
    for name, rows, size_bytes in found:
        deepen(db, name, -sign * rows, -sign * size_bytes)
        tally(db, name, Outcome.PARKED, sign * rows)


def _end_batch(db: sqlite3.Connection, sha256: str, ending: End) -> None:
    rows = db.execute(
        f"SELECT {ROW} FROM message WHERE batch = ?",  # noqa: S608 -- columns of ours
        (sha256,),
    ).fetchall()
    end(db, rows, ending)
