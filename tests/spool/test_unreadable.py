"""A value that does not open any more ends or is set aside, and holds nothing else back."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.model.outcome import MessageClass
from gateway.model.telemetry import AlertItem
from gateway.model.time import SiteTime
from gateway.spool import due, sealed, store, trace
from gateway.store.sqlite import Engine
from tests.support.spooled import CIPHER, CONTRACTS, message

ALERT, RESULT = MessageClass.ALERT, MessageClass.RESULT
NOW = SiteTime(1_000_000)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with Engine(tmp_path / "spool.db", SPOOL_MIGRATIONS) as opened:
        yield opened


@pytest.fixture
async def reader(engine: Engine) -> AsyncIterator[aiosqlite.Connection]:
    async with engine.reader() as db:
        yield db


async def do(engine: Engine, sql: str) -> None:
    def unit(db: sqlite3.Connection) -> None:
        db.execute(sql)

    await engine.write(unit)


async def keep(engine: Engine, *messages) -> None:
    await engine.write(store.enqueue, messages, NOW, CONTRACTS, CIPHER)


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE message SET body = zeroblob(60) WHERE id = 1",
        "UPDATE message SET body = (SELECT body FROM message WHERE id = 2) WHERE id = 1",
        "UPDATE message SET key_id = 9 WHERE id = 1",
        "UPDATE message SET key_id = 0, body = x'90' WHERE id = 1",
        "UPDATE message SET contract = 'open' WHERE id = 1",
        "UPDATE message SET device = 'cam-99' WHERE id = 1",
        "UPDATE message SET seq = 99 WHERE id = 1",
    ],
)
async def test_a_message_that_was_changed_moved_or_relabelled_is_never_read(
    engine: Engine, reader: aiosqlite.Connection, attack: str
):
    await keep(engine, message(1), message(2))
    await do(engine, attack)
    assert await due.contents(reader, RESULT, (1,), CIPHER) == []
    (other,) = await due.contents(reader, RESULT, (1, 2), CIPHER)
    assert other.number == 2


async def test_a_message_does_not_open_under_another_class_whose_rules_let_more_leave(
    engine: Engine, reader: aiosqlite.Connection
):
    await keep(engine, message(1, MessageClass.LOG))
    await do(engine, "UPDATE message SET class = 'error-log'")
    (waiting,) = await due.waiting(reader, MessageClass.ERROR_LOG, 5, NOW)
    assert await due.contents(reader, MessageClass.ERROR_LOG, (waiting.number,), CIPHER) == []


async def test_what_does_not_open_ends_once_as_a_counted_dead_letter(
    engine: Engine, reader: aiosqlite.Connection
):
    await keep(engine, message(1), message(2))
    for _ in range(2):
        await engine.write(store.discard, [1], NOW)
    rows = await reader.execute_fetchall("SELECT device, class, reason, messages FROM dropped")
    assert [tuple(row) for row in rows] == [("cam-01", "result", "dead-lettered:unreadable", 1)]
    outcomes = [(one.seq, one.outcome) async for one in trace.trace(reader)]
    assert outcomes == [(1, "dead-lettered"), (2, "queued")]


async def test_an_alert_whose_picture_does_not_open_is_sent_without_it(
    engine: Engine, reader: aiosqlite.Connection
):
    await keep(engine, message(1, ALERT))
    await do(engine, "UPDATE picture SET data = zeroblob(60)")
    (content,) = await due.contents(reader, ALERT, (1,), CIPHER)
    (item,) = content.items
    assert isinstance(item, AlertItem)
    assert item.image is None
    assert await trace.picture(reader, 1, CIPHER) is None


async def test_pictures_that_were_exchanged_are_shown_at_neither_alert(
    engine: Engine, reader: aiosqlite.Connection
):
    await keep(engine, message(1, ALERT), message(2, ALERT))
    await do(engine, "UPDATE picture SET data = (SELECT data FROM picture WHERE alert = 1)")
    assert await trace.picture(reader, 1, CIPHER) is not None
    assert await trace.picture(reader, 2, CIPHER) is None


async def test_the_page_says_of_an_alert_that_does_not_open_that_it_does_not(
    engine: Engine, reader: aiosqlite.Connection
):
    await keep(engine, message(1, ALERT), message(2, ALERT))
    await do(engine, "UPDATE alert SET summary = zeroblob(60) WHERE id = 1")
    second, first = await trace.alerts(reader, 5, CIPHER)
    assert (second.kind, first.kind, first.label) == ("defect", "unreadable", "")


async def test_a_batch_that_does_not_open_is_named_and_never_sent(
    engine: Engine, reader: aiosqlite.Connection
):
    await keep(engine, message(1))
    batch = store.SealedBatch("s", b"body", RESULT, 1, 1)
    await engine.write(store.seal, batch, [1], NOW, CIPHER)
    await do(engine, "UPDATE batch SET body = zeroblob(60)")
    assert await sealed.batch(reader, "s", CIPHER) == sealed.Unreadable("s")
