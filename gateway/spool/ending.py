"""The one way out of the queue: every end of a message is written here, and counted.

A message moves from ``message`` to ``ended`` whole. Whatever ends without having reached
the cloud is counted in ``dropped`` by device, class and reason, in the same transaction.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.model.outcome import Outcome
from gateway.model.time import SiteTime
from gateway.spool.lifetime import ranges

# A parked batch still lies here, and may be delivered yet: it is no loss.
KEPT: Final = frozenset({Outcome.DELIVERED, Outcome.AGGREGATED, Outcome.PARKED})
ROW: Final = "id, device, epoch, stream, class, seq, size_bytes"
"""The columns of ``message`` that ``end`` takes, in their order."""

DROPPED_ROWS_MAX: Final = 10_000
FOLDED: Final = "*"
"""Stands for the devices with the fewest drops once there are too many rows to name each."""

Row = tuple[int, str, int, str, str, int, int]


@dataclass(frozen=True, slots=True)
class End:
    """How and when messages end; ``alerts_until`` says how long the page still shows them."""

    outcome: Outcome
    at: SiteTime
    batch: str | None = None
    alerts_until: SiteTime | None = None
    why: str = ""
    """Which cause of several, one word of the program's own; part of the reason in ``dropped``."""


def end(db: sqlite3.Connection, rows: Sequence[Row], ending: End) -> None:
    """Move messages, selected as ``ROW``, to the trace."""
    streams: dict[tuple[str, int, str, str], list[int]] = {}
    lost: Counter[str] = Counter()
    lost_bytes: Counter[str] = Counter()
    for _, device, epoch, stream, name, seq, size in rows:
        streams.setdefault((device, epoch, stream, name), []).append(seq)
        lost[name] += 1
        lost_bytes[name] += size
    for where, seqs in streams.items():
        record(db, where, sorted(seqs), ending)
    ids = [row[0] for row in rows]
    mark_alerts(db, ids, ending.outcome, ending.alerts_until)
    db.executemany("DELETE FROM message WHERE id = ?", [(number,) for number in ids])
    for name, count in lost.items():
        deepen(db, name, -count, -lost_bytes[name])


def record(
    db: sqlite3.Connection, where: tuple[str, int, str, str], seqs: list[int], ending: End
) -> None:
    """Write ``seqs`` of ``where``, (device, epoch, stream, class), into trace and counts."""
    db.executemany(
        "INSERT INTO ended (device, epoch, stream, class, first_seq, last_seq, outcome, batch, "
        "ended_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*where, first, last, ending.outcome.value, ending.batch, ending.at)
            for first, last in ranges(seqs)
        ],
    )
    tally(db, where[3], ending.outcome, len(seqs))
    if ending.outcome not in KEPT:
        reason = f"{ending.outcome.value}:{ending.why}" if ending.why else ending.outcome.value
        _count(db, where[0], where[3], reason, len(seqs))


def tally(db: sqlite3.Connection, name: str, outcome: Outcome, messages: int) -> None:
    """Add to how many messages of the class ``name`` have this outcome."""
    db.execute(
        "INSERT INTO tally (class, outcome, messages) VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
        (name, outcome.value, messages),
    )


def mark_alerts(
    db: sqlite3.Connection,
    message_ids: Iterable[int],
    outcome: Outcome,
    expires: SiteTime | None = None,
) -> None:
    """Say on the page what became of the alerts of these messages."""
    db.executemany(
        "UPDATE alert SET outcome = ?, expires_ms = ? WHERE message = ?",
        [(outcome.value, expires, number) for number in message_ids],
    )


def deepen(db: sqlite3.Connection, name: str, rows: int, size_bytes: int) -> None:
    """Add to how much of the class ``name`` waits; less than nothing takes it off."""
    db.execute(
        "INSERT INTO depth (class, rows, bytes) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "
        "rows = rows + excluded.rows, bytes = bytes + excluded.bytes",
        (name, rows, size_bytes),
    )


def turn_away(db: sqlite3.Connection, device: str, name: str, cause: str, messages: int) -> None:
    """Count messages that never came in and that their device will not send again."""
    _count(db, device, name, f"turned-away:{cause}", messages)


def fold_drops(db: sqlite3.Connection, most: int = DROPPED_ROWS_MAX) -> None:
    """Hold ``dropped`` within ``most`` rows of named devices; no message goes uncounted."""
    surplus = db.execute(
        "SELECT device, class, reason, messages FROM dropped WHERE device <> ? "
        "ORDER BY messages DESC, device, class, reason LIMIT -1 OFFSET ?",
        (FOLDED, most),
    ).fetchall()
    for device, name, reason, messages in surplus:
        db.execute(
            "DELETE FROM dropped WHERE device = ? AND class = ? AND reason = ?",
            (device, name, reason),
        )
        _count(db, FOLDED, name, reason, messages)


def _count(db: sqlite3.Connection, device: str, name: str, reason: str, messages: int) -> None:
    db.execute(
        "INSERT INTO dropped (device, class, reason, messages) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
        (device, name, reason, messages),
    )
