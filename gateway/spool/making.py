"""Making room in the queue's file: how full it is, and giving up what goes first.

``shedding.plan`` says what; here it is done, a bounded step a transaction, so that neither
the writer nor the WAL of a full disk has to take much at once.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.model.outcome import MessageClass, Outcome
from gateway.model.time import SiteTime
from gateway.spool.budget import ROW_BYTES, Assessment, Disk, Level, Usage, assess
from gateway.spool.ending import ROW, End, Row, end
from gateway.spool.limits import SpoolLimits
from gateway.spool.shedding import Wish, plan

MESSAGES_A_STEP: Final = 500
REPACK_SHARE: Final = 8
"""Rows that are moved for one that went, at most: below that share its holes hardly count."""
REPACK_BYTES: Final = 2 * 1024 * 1024
SMALL_BYTES: Final = 1_024
"""A larger body lies in pages of its own, which come free without any moving."""


@dataclass(slots=True)
class Made:
    """What one step found before it, and what it gave up to make room."""

    found: Assessment
    missing_bytes: int
    """What the plan wants given up, as ``Usage.waiting`` counts it."""
    shed: Counter[MessageClass] = field(default_factory=Counter[MessageClass])
    shed_bytes: int = 0

    def add(self, message_class: MessageClass, rows: Sequence[Row]) -> None:
        """Count messages that went."""
        self.shed[message_class] += len(rows)
        self.shed_bytes += sum(row[-1] + ROW_BYTES for row in rows)


def probe(db: sqlite3.Connection) -> None:
    """Write something that changes nothing, to see whether the disk takes it.

    Twice, there and back: SQLite does not write what is equal to what is there.
    """
    for step in (1, -1):
        db.execute(
            "INSERT INTO depth VALUES ('alert', ?, 0) "
            "ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
            (step,),
        )


def usage(db: sqlite3.Connection) -> Usage:
    """Return what the file holds, with what the transaction under way has done to it."""
    depth = db.execute("SELECT class, rows, bytes FROM depth").fetchall()
    page_bytes, pages, free = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return Usage(
        waiting={MessageClass(name): size + rows * ROW_BYTES for name, rows, size in depth},
        used_bytes=(pages - free) * page_bytes,
        reusable_bytes=free * page_bytes,
    )


def make_room(  # noqa: PLR0913 -- what the decision depends on, each one named
    db: sqlite3.Connection,
    *,
    disk: Disk,
    limits: SpoolLimits,
    before: Level,
    now: SiteTime,
    sparing: str = "",
) -> Made:
    """Give up one step of what the plan asks for; ask again while something was shed.

    ``sparing`` is the batch under way to the cloud: its messages may be delivered already.
    """
    held = usage(db)
    found = assess(held, disk, limits, before)
    wishes = plan(held, found, limits)
    made = Made(found, sum(wish.size_bytes for wish in wishes))
    for wish in wishes:
        _give_up(db, wish, now, made)
    if not made.shed_bytes:
        _give_up_sealed(db, wishes, now, sparing, made)
    return made


def _give_up(db: sqlite3.Connection, wish: Wish, now: SiteTime, made: Made) -> None:
    oldest = db.execute(
        f"SELECT {ROW} FROM message WHERE class = ? AND batch IS NULL ORDER BY id LIMIT ?",  # noqa: S608 -- columns of ours
        (wish.message_class.value, MESSAGES_A_STEP - made.shed.total()),
    ).fetchall()
    missing = wish.size_bytes
    going: list[Row] = []
    for row in oldest:
        if missing <= 0:
            break
        going.append(row)
        missing -= row[-1] + ROW_BYTES
    if going:
        end(db, going, End(Outcome.SHED, now, alerts_until=now, why=wish.why))
        _repack(db, going[0][0], going[-1][0], len(going))
        made.add(wish.message_class, going)


def _give_up_sealed(
    db: sqlite3.Connection, wishes: Sequence[Wish], now: SiteTime, sparing: str, made: Made
) -> None:
    """End the oldest sealed batch of the first class that has one. Parked ones have ended."""
    for wish in wishes:
        row = db.execute(
            "SELECT sha256 FROM batch WHERE class = ? AND parked IS NULL AND sha256 <> ? "
            "ORDER BY number LIMIT 1",
            (wish.message_class.value, sparing),
        ).fetchone()
        if row is not None:
            going = db.execute(f"SELECT {ROW} FROM message WHERE batch = ?", row).fetchall()  # noqa: S608 -- columns of ours
            end(db, going, End(Outcome.SHED, now, row[0], alerts_until=now, why=wish.why))
            db.execute("DELETE FROM batch WHERE sha256 = ?", row)
            made.add(wish.message_class, going)
            return


def _repack(db: sqlite3.Connection, first: int, last: int, gone: int) -> None:
    """Move the rows between those that went together, so that whole pages become free.

    New rows go to the end of the table, so nobody would ever fill the holes: without this,
    13 of 100 bytes were shed and 2 of 100 pages came free (measured).
    """
    between = db.execute(
        "SELECT id, size_bytes FROM message WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        (first, last, REPACK_SHARE * gone + 1),
    ).fetchall()
    size = sum(row[1] for row in between)
    few, small = len(between) <= REPACK_SHARE * gone, size <= SMALL_BYTES * len(between)
    if not (few and small and size <= REPACK_BYTES):
        return
    rows = db.execute(
        "SELECT * FROM message WHERE id BETWEEN ? AND ? ORDER BY id", (first, last)
    ).fetchall()
    if not rows:
        return
    db.execute("DELETE FROM message WHERE id BETWEEN ? AND ?", (first, last))
    marks = ",".join("?" * len(rows[0]))
    db.executemany(f"INSERT INTO message VALUES ({marks})", rows)  # noqa: S608 -- question marks only
