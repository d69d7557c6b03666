"""Dead letters: what a device sent and nobody can use, kept for its firmware developer.

Their payloads are sealed as those of good messages are: a refused message may hold anything.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.intake.wire import Refusal
from gateway.model.cipher import Cipher
from gateway.model.identity import DeviceId
from gateway.model.message import Key
from gateway.model.sealed import SealedTable
from gateway.model.time import SiteTime


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the dead-letter table may hold; the oldest go first, and stay in the trace."""

    dead_letters_max: int
    payload_bytes: int
    a_device_max: int = 1_000


@dataclass(frozen=True, slots=True)
class Letter:
    """What was refused and why; ``key`` is its place in a stream, if it has one."""

    refusal: Refusal
    key: Key | None
    payload: bytes
    received: SiteTime

    def __repr__(self) -> str:
        return f"Letter({self.refusal.device}, {len(self.payload)} bytes)"


def keep(db: sqlite3.Connection, letter: Letter, cipher: Cipher) -> None:
    """Keep a dead letter."""
    key, refusal = letter.key, letter.refusal
    epoch, stream, seq = (key.epoch, key.stream.value, key.seq) if key else (None, None, None)
    place = dead_letter_place(refusal.device, epoch, stream, seq, letter.received)
    key_id, sealed = cipher.seal(letter.payload, place)
    db.execute(
        "INSERT INTO dead_letter (device, epoch, stream, seq, reason, detail, payload, "
        "received_ms, key_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            refusal.device,
            epoch,
            stream,
            seq,
            refusal.reason.value,
            refusal.detail,
            sealed,
            letter.received,
            key_id,
        ),
    )


def bound(db: sqlite3.Connection, devices: Iterable[DeviceId], bounds: Bounds) -> None:
    """Delete the oldest letters of ``devices``, and of all, beyond the bounds.

    The bound of one device keeps a device that sends nothing but rubbish from pushing out
    the letters of all others.
    """
    for device in devices:
        db.execute(
            "DELETE FROM dead_letter WHERE device = ? AND id <= (SELECT id FROM dead_letter "
            "WHERE device = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (device, device, bounds.a_device_max),
        )
    # Not counted by ids: letters that went by the bound of a device left holes.
    db.execute(
        "DELETE FROM dead_letter WHERE id <= (SELECT id FROM dead_letter ORDER BY id DESC "
        "LIMIT 1 OFFSET ?)",
        (bounds.dead_letters_max,),
    )


def outlive(db: sqlite3.Connection, before: SiteTime) -> int:
    """Delete the letters that came before a time; return how many."""
    return db.execute("DELETE FROM dead_letter WHERE received_ms < ?", (before,)).rowcount


def dead_letter_place(
    device: str, epoch: int | None, stream: str | None, seq: int | None, received_ms: int
) -> str:
    """Return what a payload is bound to; spelled for ever, as it opens under nothing else."""
    return f"dead|{device}|{epoch}|{stream}|{seq}|{received_ms}"


TABLE: Final = SealedTable(
    "dead_letter",
    "SELECT id, key_id FROM dead_letter WHERE id > ? ORDER BY id LIMIT ?",
    "SELECT key_id, payload, device, epoch, stream, seq, received_ms FROM dead_letter WHERE id = ?",
    lambda row: dead_letter_place(row[2], row[3], row[4], row[5], row[6]),
    "UPDATE dead_letter SET payload = ?, key_id = ? WHERE id = ?",
)
