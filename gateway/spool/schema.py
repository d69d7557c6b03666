"""The tables of the spool in ``spool.db``.

``FIRST`` and ``SECOND`` are the steps of its migration (``app/offline.py``).

``message`` holds what has not ended, and what is parked with its batch. ``ended`` is the
trace: ranges of numbers with their one outcome. ``batch`` holds sealed bytes until a 2xx
echoes their digest. ``depth`` (without what is parked) and ``tally`` are kept in the same
transactions, so that no page ever counts a million rows.
"""

from typing import Final

FIRST: Final = (
    """CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        device TEXT NOT NULL, epoch INTEGER NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL,
        class TEXT NOT NULL, contract TEXT NOT NULL, received_ms INTEGER NOT NULL,
        boot TEXT NOT NULL, mono_ms INTEGER NOT NULL, expires_ms INTEGER,
        leaves INTEGER NOT NULL, batch TEXT, size_bytes INTEGER NOT NULL, body BLOB NOT NULL)""",
    "CREATE INDEX message_due ON message (class, id) WHERE batch IS NULL AND leaves = 1",
    "CREATE INDEX message_age ON message (class, id)",
    "CREATE INDEX message_batch ON message (batch) WHERE batch IS NOT NULL",
    "CREATE INDEX message_expiry ON message (expires_ms) WHERE expires_ms IS NOT NULL",
    """CREATE TABLE contract (
        sha256 TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE alert (
        id INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER NOT NULL, device TEXT NOT NULL,
        kind TEXT NOT NULL, severity TEXT NOT NULL, label TEXT NOT NULL, score REAL NOT NULL,
        received_ms INTEGER NOT NULL, outcome TEXT NOT NULL, expires_ms INTEGER,
        picture_type TEXT)""",
    "CREATE INDEX alert_message ON alert (message)",
    """CREATE TABLE picture (
        alert INTEGER PRIMARY KEY REFERENCES alert ON DELETE CASCADE, data BLOB NOT NULL)""",
    """CREATE TABLE batch (
        number INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT NOT NULL UNIQUE,
        class TEXT NOT NULL, rows INTEGER NOT NULL, items INTEGER NOT NULL,
        sealed_ms INTEGER NOT NULL, parked TEXT, body BLOB NOT NULL)""",
    "CREATE INDEX batch_waiting ON batch (class, number) WHERE parked IS NULL",
    """CREATE TABLE ended (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, epoch INTEGER NOT NULL,
        stream TEXT NOT NULL, class TEXT NOT NULL, first_seq INTEGER NOT NULL,
        last_seq INTEGER NOT NULL, outcome TEXT NOT NULL, batch TEXT, ended_ms INTEGER NOT NULL)""",
    """CREATE TABLE depth (
        class TEXT PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE tally (
        class TEXT NOT NULL, outcome TEXT NOT NULL, messages INTEGER NOT NULL,
        PRIMARY KEY (class, outcome)) WITHOUT ROWID""",
)

SECOND: Final = (
    # 0 is plain text, as the first form stored it; others are data keys in state.db.
    "ALTER TABLE message ADD COLUMN key_id INTEGER NOT NULL DEFAULT 0",
    # kind, label and score of an alert, encrypted; the plain columns are empty beside it.
    "ALTER TABLE alert ADD COLUMN summary BLOB",
    "ALTER TABLE alert ADD COLUMN key_id INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE picture ADD COLUMN key_id INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE batch ADD COLUMN key_id INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE batch ADD COLUMN parked_ms INTEGER",
    # Every end without delivery: reason is the outcome, with a colon and why where that helps.
    """CREATE TABLE dropped (
        device TEXT NOT NULL, class TEXT NOT NULL, reason TEXT NOT NULL, messages INTEGER NOT NULL,
        PRIMARY KEY (device, class, reason)) WITHOUT ROWID""",
    # What came in, by hour of site time, for the horizon; held within two days.
    """CREATE TABLE inflow (
        hour INTEGER NOT NULL, class TEXT NOT NULL, messages INTEGER NOT NULL,
        bytes INTEGER NOT NULL, PRIMARY KEY (hour, class)) WITHOUT ROWID""",
    # What a device missed, by day of site time, for the gap report; held within 31 days. The
    # day leads, so that a commit of many devices writes few pages.
    """CREATE TABLE device_day (
        device TEXT NOT NULL, day INTEGER NOT NULL, received INTEGER NOT NULL DEFAULT 0,
        duplicates INTEGER NOT NULL DEFAULT 0, declared_lost INTEGER NOT NULL DEFAULT 0,
        offline_ms INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (day, device)) WITHOUT ROWID""",
    # Which life of the queue this is: a new one is told from a queue that lost its file.
    """CREATE TABLE life (
        one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL)""",
)
