"""Dead letters: what a device sent and nobody can use, kept for its firmware developer.

Their payloads are sealed as those of good messages are: a refused message may hold anything.
"""

import sqlite3
from dataclasses import dataclass

from gateway.intake.wire import Refusal
from gateway.model.cipher import Cipher
from gateway.model.message import Key
from gateway.model.time import SiteTime


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


def dead_letter_place(
    device: str, epoch: int | None, stream: str | None, seq: int | None, received_ms: int
) -> str:
    """Return what a payload is bound to; spelled for ever, as it opens under nothing else."""
    return f"dead|{device}|{epoch}|{stream}|{seq}|{received_ms}"
