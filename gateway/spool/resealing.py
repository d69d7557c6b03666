"""The spool's tables with sealed values, for the walk that seals them under a new key."""

from typing import Any, Final

import msgspec

from gateway.model.sealed import SealedTable
from gateway.spool.places import batch_place, message_place, picture_place, summary_place


def _said(row: tuple[Any, ...]) -> bytes:
    return msgspec.msgpack.encode(row[5:8])


MESSAGES: Final = SealedTable(
    "message",
    "SELECT id, key_id FROM message WHERE id > ? ORDER BY id LIMIT ?",
    "SELECT key_id, body, device, epoch, stream, seq, class, contract FROM message WHERE id = ?",
    lambda row: message_place((row[2], row[3], row[4], row[5]), row[6], row[7]),
    "UPDATE message SET body = ?, key_id = ? WHERE id = ?",
)
ALERTS: Final = SealedTable(
    "alert",
    "SELECT id, key_id FROM alert WHERE id > ? ORDER BY id LIMIT ?",
    "SELECT key_id, summary, id, device, received_ms, kind, label, score FROM alert WHERE id = ?",
    lambda row: summary_place(row[2], row[3], row[4]),
    "UPDATE alert SET summary = ?, key_id = ?, kind = '', label = '', score = 0 WHERE id = ?",
    _said,
)
PICTURES: Final = SealedTable(
    "picture",
    "SELECT alert, key_id FROM picture WHERE alert > ? ORDER BY alert LIMIT ?",
    "SELECT picture.key_id, data, alert.id, device, received_ms FROM picture "
    "JOIN alert ON alert.id = picture.alert WHERE picture.alert = ?",
    lambda row: picture_place(row[2], row[3], row[4]),
    "UPDATE picture SET data = ?, key_id = ? WHERE alert = ?",
)
BATCHES: Final = SealedTable(
    "batch",
    "SELECT number, key_id FROM batch WHERE number > ? ORDER BY number LIMIT ?",
    "SELECT key_id, body, sha256 FROM batch WHERE number = ?",
    lambda row: batch_place(row[2]),
    "UPDATE batch SET body = ?, key_id = ? WHERE number = ?",
)
TABLES: Final = (MESSAGES, ALERTS, PICTURES, BATCHES)
