"""Numbers for messages of devices that cannot number them: SQL in the intake's transaction.

Such a message gets the next number of its stream in epoch 0, which no device can draw, so
its key is as unique as any other. The mark moves in the commit that stores it, and is never
told to anybody: these devices know no receipts.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from gateway.model.identity import DeviceId
from gateway.model.message import Message
from gateway.model.outcome import Stream
from gateway.model.time import SiteTime
from gateway.model.topicmap import UNSEQUENCED_EPOCH


def stamp(db: sqlite3.Connection, messages: Sequence[Message], now: SiteTime) -> list[Message]:
    """Return ``messages`` with their numbers, in the order of arrival.

    Crash: before the commit no number was given; the broker delivers again what it still
    has, and it gets numbers then. After the commit and before the broker heard of it, it
    delivers again what is stored: it is stored twice, because nothing tells it from a
    device that says the same thing twice.
    """
    marks: dict[DeviceId, dict[Stream, int]] = {}
    stamped: list[Message] = []
    for message in messages:
        device, stream = message.key.device, message.key.stream
        if device not in marks:
            marks[device] = _marks(db, device, now)
        marks[device][stream] += 1
        key = replace(message.key, seq=marks[device][stream])
        stamped.append(replace(message, key=key))
    db.executemany(
        "UPDATE origin SET alert = ?, data = ?, used_ms = max(used_ms, ?) "
        "WHERE device = ? AND epoch = ?",
        [
            (mark[Stream.ALERT], mark[Stream.DATA], now, device, UNSEQUENCED_EPOCH)
            for device, mark in marks.items()
        ],
    )
    return stamped


def _marks(db: sqlite3.Connection, device: DeviceId, now: SiteTime) -> dict[Stream, int]:
    db.execute(
        "INSERT OR IGNORE INTO origin (device, epoch, used_ms) VALUES (?, ?, ?)",
        (device, UNSEQUENCED_EPOCH, now),
    )
    row = db.execute(
        "SELECT alert, data FROM origin WHERE device = ? AND epoch = ?",
        (device, UNSEQUENCED_EPOCH),
    ).fetchone()
    return {Stream.ALERT: int(row[0]), Stream.DATA: int(row[1])}
