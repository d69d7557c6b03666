"""What a salvaged queue needs before it may serve again: each message in exactly one place.

Damage may have taken a row here and left what belongs to it there. In doubt a message is
kept and sent again: twice is named in the durability contract, silently never is not.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

from gateway.model.outcome import Outcome
from gateway.model.time import SiteTime

QUEUE_DAMAGED: Final = "queue-damaged"
"""The reason in ``dropped``."""
LOST_ALERTS_SHOWN_MS: Final = 30 * 86_400_000
TRACED_MOST: Final = 100_000
"""Lost messages that are named one by one in the trace."""


def depths(db: sqlite3.Connection) -> dict[str, int]:
    """Return how many messages wait in each class, by the count that each commit keeps."""
    return {name: int(rows) for name, rows in db.execute("SELECT class, rows FROM depth")}


def join(db: sqlite3.Connection) -> int:
    """Make the tables agree again; return how many messages lost their sealed batch.

    Those are queued anew and leave under another batch's name. If the cloud had the lost
    batch already, it gets them twice: nothing here can know.
    """
    # In a temporary index, or each message is looked up among all that have ended.
    db.execute("CREATE INDEX ended_once ON ended (device, epoch, stream, first_seq, last_seq)")
    db.execute(
        "DELETE FROM message WHERE EXISTS (SELECT 1 FROM ended WHERE ended.device = message.device "
        "AND ended.epoch = message.epoch AND ended.stream = message.stream "
        "AND message.seq BETWEEN ended.first_seq AND ended.last_seq)"
    )
    db.execute("DROP INDEX ended_once")
    unsealed = db.execute(
        "UPDATE message SET batch = NULL WHERE batch IS NOT NULL "
        "AND batch NOT IN (SELECT sha256 FROM batch)"
    ).rowcount
    db.execute(
        "DELETE FROM batch WHERE parked IS NULL "
        "AND sha256 NOT IN (SELECT batch FROM message WHERE batch IS NOT NULL)"
    )
    db.execute("DELETE FROM picture WHERE alert NOT IN (SELECT id FROM alert)")
    db.execute(
        "UPDATE alert SET outcome = ? WHERE outcome = ? "
        "AND message IN (SELECT id FROM message WHERE batch IS NULL)",
        (Outcome.QUEUED.value, Outcome.SEALED.value),
    )
    db.execute("DELETE FROM depth")
    db.execute(
        "INSERT INTO depth (class, rows, bytes) "
        "SELECT class, count(*), sum(size_bytes) FROM message GROUP BY class"
    )
    return unsealed


def count_lost(db: sqlite3.Connection, waited: Mapping[str, int], now: SiteTime) -> dict[str, int]:
    """Count what waited in the old file and is not in this one, by class; end it as lost.

    One by one in the trace if the digests name exactly so many, else in the tally alone.
    """
    kept = depths(db)
    lost = {name: rows - kept.get(name, 0) for name, rows in waited.items()}
    lost = {name: rows for name, rows in lost.items() if rows > 0}
    for name, rows in lost.items():
        db.execute(
            "INSERT INTO tally (class, outcome, messages) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
            (name, Outcome.LOST.value, rows),
        )
        db.execute(
            "INSERT INTO dropped (device, class, reason, messages) VALUES ('', ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
            (name, QUEUE_DAMAGED, rows),
        )
    if lost:
        _trace_lost(db, lost, now)
        db.execute(
            "UPDATE alert SET outcome = ?, expires_ms = ? WHERE outcome IN (?, ?) "
            "AND message NOT IN (SELECT id FROM message)",
            (
                Outcome.LOST.value,
                now + LOST_ALERTS_SHOWN_MS,
                Outcome.QUEUED.value,
                Outcome.SEALED.value,
            ),
        )
    return lost


def _trace_lost(db: sqlite3.Connection, lost: Mapping[str, int], now: SiteTime) -> None:
    """Write into the trace which messages are lost, if the digests tell it exactly."""
    db.execute("CREATE INDEX message_once ON message (device, epoch, stream, seq)")
    db.execute("CREATE INDEX ended_once ON ended (device, epoch, stream, first_seq, last_seq)")
    rows = db.execute(
        "SELECT device, epoch, stream, seq FROM seen JOIN origin ON origin.id = seen.origin "
        "WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.device = origin.device "
        "AND message.epoch = origin.epoch AND message.stream = seen.stream "
        "AND message.seq = seen.seq) "
        "AND NOT EXISTS (SELECT 1 FROM ended WHERE ended.device = origin.device "
        "AND ended.epoch = origin.epoch AND ended.stream = seen.stream "
        "AND seen.seq BETWEEN ended.first_seq AND ended.last_seq) LIMIT ?",
        (TRACED_MOST + 1,),
    ).fetchall()
    db.execute("DROP INDEX message_once")
    db.execute("DROP INDEX ended_once")
    if len(rows) != sum(lost.values()) or len(rows) > TRACED_MOST:
        return
    data = [name for name in lost if name != "alert"]
    # With losses in several classes of one stream a number's class is not known: the most likely.
    likely = max(data, key=lambda name: lost[name], default="log")
    db.executemany(
        "INSERT INTO ended (device, epoch, stream, class, first_seq, last_seq, outcome, ended_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (device, epoch, stream, "alert" if stream == "alert" else likely, seq, seq,
             Outcome.LOST.value, now)
            for device, epoch, stream, seq in rows
        ],
    )  # fmt: skip
