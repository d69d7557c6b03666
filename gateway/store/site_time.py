"""The stored floor of site time: it never goes back, whatever the wall clock does."""

import sqlite3
from typing import Final

from gateway.model.time import SiteTime

SCHEMA: Final = (
    """CREATE TABLE site_time (
        one INTEGER PRIMARY KEY CHECK (one = 1), floor_ms INTEGER NOT NULL)""",
)


def floor(db: sqlite3.Connection) -> SiteTime:
    """Return the stored floor; 0 when none is stored."""
    row = db.execute("SELECT floor_ms FROM site_time").fetchone()
    return SiteTime(row[0] if row else 0)


def raise_floor(db: sqlite3.Connection, now: SiteTime) -> None:
    """Store ``now`` unless a later time is stored already."""
    db.execute(
        "INSERT INTO site_time (one, floor_ms) VALUES (1, ?) "
        "ON CONFLICT DO UPDATE SET floor_ms = max(floor_ms, excluded.floor_ms)",
        (now,),
    )
