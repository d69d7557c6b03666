"""The lives of the queue's file, in ``state.db``: when each began, and what became of it.

A row number of the queue means something together with its life's number only. A life
ends when its file is set aside, is gone, or has lost what it had committed.
"""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

import aiosqlite

from gateway.model.time import SiteTime


@dataclass(frozen=True, slots=True)
class Life:
    """One life of the queue's file."""

    generation: int
    made: SiteTime
    ended: SiteTime | None
    set_aside: str
    """The name of its file now; empty while it lives, or if nothing was left of it."""
    loss: str
    """What was lost with it, in words; empty if nothing was."""


_COLUMNS = "generation, made_ms, ended_ms, set_aside, loss"


def latest(state: sqlite3.Connection) -> Life | None:
    """Return the life that began last."""
    row = state.execute(
        f"SELECT {_COLUMNS} FROM spool_file ORDER BY generation DESC LIMIT 1"  # noqa: S608 -- a constant
    ).fetchone()
    return None if row is None else _life(row)


def begin(state: sqlite3.Connection, generation: int, now: SiteTime) -> None:
    """Note that a life began. Twice changes nothing."""
    state.execute(
        "INSERT OR IGNORE INTO spool_file (generation, made_ms) VALUES (?, ?)", (generation, now)
    )


def end(state: sqlite3.Connection, generation: int, now: SiteTime, set_aside: str = "") -> None:
    """Note that a life is over and where its file goes, before the file is moved.

    Crash: the next start finds the note and goes on with what it announces.
    """
    begin(state, generation, now)
    state.execute(
        "UPDATE spool_file SET ended_ms = ?, set_aside = ? WHERE generation = ?",
        (now, set_aside, generation),
    )


def say_loss(state: sqlite3.Connection, generation: int, loss: str) -> None:
    """Note what was lost with a life."""
    state.execute("UPDATE spool_file SET loss = ? WHERE generation = ?", (loss, generation))


def forget(state: sqlite3.Connection, kept: int) -> None:
    """Keep the newest ``kept`` lives."""
    state.execute(
        "DELETE FROM spool_file WHERE generation <= (SELECT max(generation) FROM spool_file) - ?",
        (kept,),
    )


def of(state: sqlite3.Connection, generations: Collection[int]) -> list[Life]:
    """Return these lives, as far as they are known."""
    rows = state.execute(f"SELECT {_COLUMNS} FROM spool_file")  # noqa: S608 -- a constant
    return [life for life in map(_life, rows) if life.generation in generations]


def ended_after(state: sqlite3.Connection, since: SiteTime) -> list[int]:
    """Return the numbers of the lives that ended after ``since``."""
    rows = state.execute("SELECT generation FROM spool_file WHERE ended_ms > ?", (since,))
    return [generation for (generation,) in rows]


def over(state: sqlite3.Connection) -> list[Life]:
    """Return the lives that ended, the first first."""
    rows = state.execute(
        f"SELECT {_COLUMNS} FROM spool_file WHERE ended_ms IS NOT NULL ORDER BY generation"  # noqa: S608 -- a constant
    )
    return [_life(row) for row in rows]


async def ended(db: aiosqlite.Connection, since: SiteTime) -> list[Life]:
    """Return the lives that ended after ``since``, the last first."""
    rows = await db.execute_fetchall(
        f"SELECT {_COLUMNS} FROM spool_file WHERE ended_ms > ? ORDER BY generation DESC",  # noqa: S608 -- a constant
        (since,),
    )
    return [_life((r[0], r[1], r[2], r[3], r[4])) for r in rows]


def of_file(db: sqlite3.Connection) -> int | None:
    """Return the number of the life that the queue's file ``db`` says it is."""
    row = db.execute("SELECT generation FROM life").fetchone()
    return None if row is None else int(row[0])


def name(db: sqlite3.Connection, generation: int) -> None:
    """Write into the queue's file ``db`` which life it is."""
    db.execute(
        "INSERT INTO life (one, generation) VALUES (1, ?) "
        "ON CONFLICT DO UPDATE SET generation = excluded.generation",
        (generation,),
    )


def _life(row: tuple[int, int, int | None, str, str]) -> Life:
    ended_ms = None if row[2] is None else SiteTime(row[2])
    return Life(row[0], SiteTime(row[1]), ended_ms, row[3], row[4])
