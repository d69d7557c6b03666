"""The audit log and what the gateway knows of its own disk: tables of ``state.db``."""

import sqlite3
from collections.abc import Mapping
from typing import Final

AUDIT: Final = (
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, actor TEXT NOT NULL,
        action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL) STRICT""",
    # Append-only: what was done stays said. Old entries go in whole blocks from the front only.
    """CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
)

WEAR: Final = (
    """CREATE TABLE wear (
        day INTEGER PRIMARY KEY, written_bytes INTEGER NOT NULL) STRICT""",
)
"""Bytes that the gateway has written to its disk, by day of site time; held within 31 days."""

SPOOLS: Final = (
    """CREATE TABLE spool_file (
        generation INTEGER PRIMARY KEY, made_ms INTEGER NOT NULL, ended_ms INTEGER,
        set_aside TEXT NOT NULL DEFAULT '', loss TEXT NOT NULL DEFAULT '') STRICT""",
)
"""The lives of the queue's file: when each began, and what became of it."""


def add_wear(db: sqlite3.Connection, written: Mapping[int, int], days_kept: int) -> None:
    """Add bytes by day, and drop what is older than ``days_kept`` days before the newest."""
    db.executemany(
        "INSERT INTO wear (day, written_bytes) VALUES (?, ?) ON CONFLICT DO UPDATE SET "
        "written_bytes = written_bytes + excluded.written_bytes",
        list(written.items()),
    )
    db.execute("DELETE FROM wear WHERE day <= (SELECT max(day) FROM wear) - ?", (days_kept,))


def wear(db: sqlite3.Connection) -> dict[int, int]:
    """Return the bytes written, by day."""
    return dict(db.execute("SELECT day, written_bytes FROM wear").fetchall())
