"""The audit log in ``state.db``: all its SQL. Entries are added and read, never changed.

What is too old, or too much, goes in whole blocks from the front, and the block's place,
size and SHA-256 become an entry themselves: nothing vanishes silently.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from typing import Final

import aiosqlite
import msgspec

from gateway.model.audit import GATEWAY, Action, Entry
from gateway.model.time import SiteTime

BLOCK_ENTRIES: Final = 1_000
"""Entries that go together, and at most so many at once: the writer is held for milliseconds."""
TEXT_CHARS_MAX: Final = 256
DETAILS_MAX: Final = 16

_ROWS: Final = "SELECT id, at_ms, actor, action, subject, detail FROM audit"


def audit(  # noqa: PLR0913, PLR0917 -- one for each column
    db: sqlite3.Connection,
    at: SiteTime,
    actor: str,
    action: Action,
    subject: str,
    detail: Mapping[str, int | str] | None = None,
) -> None:
    """Record one deed, in the transaction of the deed itself.

    ``subject`` is a device, batch, key, class or file; ``detail`` names whatever else a
    reader needs, at most ``DETAILS_MAX`` things. Texts are cut to ``TEXT_CHARS_MAX``.

    Privacy:
        The log is kept for years and shown to whoever asks: no payload, no free text of a
        device and no secret may stand in it.
    """
    kept = {
        name: value if isinstance(value, int) else _cut(value)
        for name, value in list((detail or {}).items())[:DETAILS_MAX]
    }
    db.execute(
        "INSERT INTO audit (at_ms, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
        (at, _cut(actor), action.value, _cut(subject), msgspec.json.encode(kept).decode()),
    )


def prune(db: sqlite3.Connection, now: SiteTime, *, kept_ms: int, entries_max: int) -> int:
    """Drop the oldest block if it is all older than ``kept_ms``, or the log too long.

    Returns how many entries went; the caller comes again while it is more than none.
    """
    first, last = db.execute("SELECT min(id), max(id) FROM audit").fetchone()
    if first is None:
        return 0
    block = db.execute(f"{_ROWS} ORDER BY id LIMIT ?", (BLOCK_ENTRIES,)).fetchall()
    old = len(block) == BLOCK_ENTRIES and block[-1][1] <= now - kept_ms
    if not old and last - first < entries_max:
        return 0
    digest = hashlib.sha256(b"".join(msgspec.json.encode(row) + b"\n" for row in block))
    db.execute("DELETE FROM audit WHERE id <= ?", (block[-1][0],))
    detail = {
        "first": block[0][0],
        "last": block[-1][0],
        "entries": len(block),
        "from_ms": block[0][1],
        "to_ms": block[-1][1],
        "sha256": digest.hexdigest(),
        "why": "age" if old else "space",
    }
    audit(db, now, GATEWAY, Action.AUDIT_PRUNED, "audit", detail)
    return len(block)


def last_of(db: sqlite3.Connection, action: Action, subject: str) -> Entry | None:
    """Return the newest entry that says ``action`` of ``subject``."""
    row = db.execute(
        f"{_ROWS} WHERE action = ? AND subject = ? ORDER BY id DESC LIMIT 1",
        (action.value, subject),
    ).fetchone()
    return _entry(row) if row else None


def newest(db: sqlite3.Connection, action: Action) -> dict[str, Entry]:
    """Return the newest entry of ``action`` for each subject."""
    rows = db.execute(f"{_ROWS} WHERE action = ? ORDER BY id", (action.value,))
    return {row[4]: _entry(row) for row in rows}


async def entries(
    db: aiosqlite.Connection, *, after: int, most: int, action: str = ""
) -> list[Entry]:
    """Return up to ``most`` entries with a greater number than ``after``, oldest first."""
    rows = await db.execute_fetchall(
        f"{_ROWS} WHERE id > ? AND (? = '' OR action = ?) ORDER BY id LIMIT ?",
        (after, action, action, most),
    )
    return [_entry(row) for row in rows]


def _cut(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:TEXT_CHARS_MAX])


def _entry(row: "tuple[int, int, str, str, str, str] | aiosqlite.Row") -> Entry:
    detail = msgspec.json.decode(row[5], type=dict[str, int | str])
    return Entry(row[0], SiteTime(row[1]), row[2], row[3], row[4], detail)
