"""The audit log: what was said stays said, and what must go says that it went."""

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import aiosqlite
import msgspec
import pytest

from gateway.app.offline import STATE_MIGRATIONS
from gateway.health.audit import (
    BLOCK_ENTRIES,
    DETAILS_MAX,
    TEXT_CHARS_MAX,
    audit,
    entries,
    last_of,
    prune,
)
from gateway.model.audit import GATEWAY, OPERATOR, Action
from gateway.model.time import SiteTime
from gateway.store.sqlite import open_offline

DAY_MS = 86_400_000
MANY = 1_000_000


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with open_offline(tmp_path / "state.db", STATE_MIGRATIONS) as opened:
        yield opened


def _fill(db: sqlite3.Connection, count: int, at: int = 0) -> None:
    for number in range(count):
        audit(db, SiteTime(at + number), GATEWAY, Action.RETENTION, "log", {"messages": number})


def _numbers(db: sqlite3.Connection) -> list[int]:
    return [row[0] for row in db.execute("SELECT id FROM audit ORDER BY id")]


async def test_an_entry_says_who_did_what_to_whom(db: sqlite3.Connection, tmp_path: Path):
    audit(db, SiteTime(7), OPERATOR, Action.DEVICE_ADDED, "cam-01", {"profile": "p", "devices": 3})
    async with aiosqlite.connect(tmp_path / "state.db") as reader:
        (found,) = await entries(reader, after=0, most=10)
    assert (found.number, found.at, found.actor, found.action, found.subject) == (
        1,
        7,
        "operator",
        "device-added",
        "cam-01",
    )
    assert found.detail == {"profile": "p", "devices": 3}


async def test_the_log_is_read_page_by_page_and_by_action(db: sqlite3.Connection, tmp_path: Path):
    _fill(db, 5)
    audit(db, SiteTime(9), OPERATOR, Action.KEYS_ROTATED, "data", None)
    async with aiosqlite.connect(tmp_path / "state.db") as reader:
        assert [one.number for one in await entries(reader, after=2, most=2)] == [3, 4]
        rotated = await entries(reader, after=0, most=9, action="keys-rotated")
        assert [one.number for one in rotated] == [6]


def test_an_entry_cannot_be_changed(db: sqlite3.Connection):
    _fill(db, 1)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute("UPDATE audit SET subject = 'nothing'")


def test_an_entry_that_is_rolled_back_leaves_neither_line_nor_gap(db: sqlite3.Connection):
    _fill(db, 1)
    db.execute("BEGIN")
    _fill(db, 3)
    db.execute("ROLLBACK")
    _fill(db, 1)
    assert _numbers(db) == [1, 2]


def test_what_a_stranger_names_cannot_fill_the_log_or_forge_a_line(db: sqlite3.Connection):
    detail: dict[str, int | str] = {f"k{n}": "x" * 9_999 for n in range(99)}
    audit(db, SiteTime(0), "a" * 9_999, Action.BATCH_PARKED, "b\nforged\x1b[2J", detail)
    actor, subject, text = db.execute("SELECT actor, subject, detail FROM audit").fetchone()
    assert len(actor) == TEXT_CHARS_MAX
    assert subject == "b?forged?[2J"
    assert len(msgspec.json.decode(text)) == DETAILS_MAX
    assert len(text) < DETAILS_MAX * (TEXT_CHARS_MAX + 20)


def test_the_newest_entry_of_a_subject_is_found(db: sqlite3.Connection):
    _fill(db, 3)
    audit(db, SiteTime(9), GATEWAY, Action.RETENTION, "result", {"messages": 99})
    found = last_of(db, Action.RETENTION, "log")
    assert found is not None
    assert found.detail == {"messages": 2}
    assert last_of(db, Action.RETENTION, "alert") is None


def test_nothing_goes_before_its_time(db: sqlite3.Connection):
    _fill(db, BLOCK_ENTRIES + 1, at=DAY_MS)
    assert prune(db, SiteTime(2 * DAY_MS), kept_ms=DAY_MS, entries_max=MANY) == 0
    assert len(_numbers(db)) == BLOCK_ENTRIES + 1


def test_an_old_block_goes_whole_and_the_log_says_which(db: sqlite3.Connection):
    _fill(db, BLOCK_ENTRIES + 5)
    rows = db.execute("SELECT * FROM audit ORDER BY id LIMIT ?", (BLOCK_ENTRIES,)).fetchall()
    digest = hashlib.sha256(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    now = SiteTime(DAY_MS + BLOCK_ENTRIES)
    assert prune(db, now, kept_ms=DAY_MS, entries_max=MANY) == BLOCK_ENTRIES
    assert _numbers(db) == list(range(BLOCK_ENTRIES + 1, BLOCK_ENTRIES + 7))
    pruned = last_of(db, Action.AUDIT_PRUNED, "audit")
    assert pruned is not None
    assert pruned.detail == {
        "first": 1,
        "last": BLOCK_ENTRIES,
        "entries": BLOCK_ENTRIES,
        "from_ms": 0,
        "to_ms": BLOCK_ENTRIES - 1,
        "sha256": digest.hexdigest(),
        "why": "age",
    }
    assert prune(db, now, kept_ms=DAY_MS, entries_max=MANY) == 0


def test_a_log_that_is_too_long_loses_its_oldest_block_and_says_so(db: sqlite3.Connection):
    most = 2 * BLOCK_ENTRIES
    _fill(db, most)
    assert prune(db, SiteTime(0), kept_ms=DAY_MS, entries_max=most) == 0
    _fill(db, 1)
    assert prune(db, SiteTime(0), kept_ms=DAY_MS, entries_max=most) == BLOCK_ENTRIES
    assert len(_numbers(db)) <= most
    pruned = last_of(db, Action.AUDIT_PRUNED, "audit")
    assert pruned is not None
    assert pruned.detail["why"] == "space"


def test_an_empty_log_has_nothing_to_lose(db: sqlite3.Connection):
    assert prune(db, SiteTime(DAY_MS), kept_ms=0, entries_max=0) == 0
