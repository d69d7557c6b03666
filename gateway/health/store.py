"""The audit log and what the gateway knows of its own disk: tables of ``state.db``."""

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
