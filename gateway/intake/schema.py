"""The tables of the intake: marks and dead letters in ``spool.db``, noise in ``state.db``."""

from typing import Final

FIRST: Final = (
    """CREATE TABLE origin (
        id INTEGER PRIMARY KEY, device TEXT NOT NULL, epoch INTEGER NOT NULL,
        alert INTEGER NOT NULL DEFAULT 0, data INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'conflicted', 'closed')),
        lost INTEGER NOT NULL DEFAULT 0, duplicates INTEGER NOT NULL DEFAULT 0,
        used_ms INTEGER NOT NULL, UNIQUE (device, epoch))""",
    """CREATE TABLE seen (
        origin INTEGER NOT NULL REFERENCES origin ON DELETE CASCADE,
        stream TEXT NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL,
        PRIMARY KEY (origin, stream, seq)) WITHOUT ROWID""",
    """CREATE TABLE dead_letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, epoch INTEGER,
        stream TEXT, seq INTEGER, reason TEXT NOT NULL, detail TEXT NOT NULL,
        payload BLOB NOT NULL, received_ms INTEGER NOT NULL)""",
)

SECOND: Final = (
    "ALTER TABLE dead_letter ADD COLUMN key_id INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX dead_letter_device ON dead_letter (device, id)",
)
"""Dead letters are bounded a device, and their payloads encrypted."""

NOISY: Final = (
    """CREATE TABLE noisy (
        device TEXT PRIMARY KEY, times INTEGER NOT NULL, since_ms INTEGER NOT NULL,
        until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
)
"""In ``state.db``: devices cut off for their noise, until when, and the how manieth time."""
