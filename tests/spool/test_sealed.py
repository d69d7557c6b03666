"""Batches on the disk: those that wait, the halves of a refused one, and those set aside."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.model.outcome import MessageClass, Outcome
from gateway.model.time import SiteTime
from gateway.spool import sealed, store
from gateway.spool.lifetime import HOUR_MS
from gateway.spool.sealed import Head, Part, Range
from gateway.spool.trace import trace
from gateway.store.sqlite import Engine
from tests.support.spooled import CIPHER, CONTRACTS, OPEN, message

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
NOW = SiteTime(1_000_000)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with Engine(tmp_path / "spool.db", SPOOL_MIGRATIONS) as opened:
        yield opened


@pytest.fixture
async def reader(engine: Engine) -> AsyncIterator[aiosqlite.Connection]:
    async with engine.reader() as db:
        yield db


def batch_of(sha256: str, of: MessageClass, rows: int) -> store.SealedBatch:
    return store.SealedBatch(sha256, b"body of " + sha256.encode(), of, rows, 2 * rows)


async def seal(
    engine: Engine, sha256: str, of: MessageClass, *seqs: int, now: SiteTime = NOW
) -> tuple[int, ...]:
    """Admit and seal messages with these numbers; return how they are called in the file."""
    made = [message(seq, of) for seq in seqs]
    await engine.write(store.enqueue, made, now, CONTRACTS, CIPHER)

    def unit(db: sqlite3.Connection) -> tuple[int, ...]:
        ids = [row[0] for row in db.execute("SELECT id FROM message WHERE batch IS NULL")]
        assert store.seal(db, batch_of(sha256, of, len(ids)), ids, now, CIPHER)
        return tuple(ids)

    return await engine.write(unit)


async def outcomes(reader) -> dict[int, tuple[str, str | None]]:
    lines = [line async for line in trace(reader)]
    assert len(lines) == len({(line.stream, line.seq) for line in lines}), "one line a message"
    return {line.seq: (line.outcome, line.batch) for line in lines}


async def test_what_waits_is_told_in_the_order_of_sealing_and_parked_batches_are_not(
    engine, reader
):
    for sha256, of, seq in (("r", RESULT, 1), ("p", LOG, 2), ("a", ALERT, 3)):
        await seal(engine, sha256, of, seq)
    await engine.write(store.park, "p", "no", NOW)
    assert await sealed.heads(reader) == [Head(1, "r", RESULT, NOW), Head(3, "a", ALERT, NOW)]
    assert await sealed.batch(reader, "r", CIPHER) == batch_of("r", RESULT, 1)
    assert await sealed.batch(reader, "p", CIPHER) == batch_of("p", LOG, 1)
    assert await sealed.batch(reader, "q", CIPHER) is None


async def test_a_batch_tells_its_class_its_contract_and_its_messages(engine, reader):
    ids = await seal(engine, "a", ALERT, 5, 6, 9)
    assert await sealed.messages(reader, "a") == (ALERT, OPEN.sha256, ids)
    assert await sealed.messages(reader, "b") is None
    assert await sealed.manifest(reader, "a") == [
        Range("cam-01", 7, "alert", 5, 6),
        Range("cam-01", 7, "alert", 9, 9),
    ]


async def test_the_halves_of_a_batch_hold_each_of_its_messages_once(engine, reader):
    one, two, three = await seal(engine, "whole", ALERT, 1, 2, 3)
    parts = [
        Part(batch_of("left", ALERT, 1), (one,)),
        Part(batch_of("right", ALERT, 2), (two, three)),
    ]
    assert await engine.write(sealed.reseal, "whole", parts, NOW, CIPHER)
    assert await outcomes(reader) == {
        1: ("sealed", "left"),
        2: ("sealed", "right"),
        3: ("sealed", "right"),
    }
    assert [head.sha256 for head in await sealed.heads(reader)] == ["left", "right"]


async def test_a_batch_that_moved_on_is_not_halved(engine, reader):
    ids = await seal(engine, "whole", RESULT, 1, 2)
    parts = [
        Part(batch_of(name, RESULT, 1), (number,)) for name, number in zip("lr", ids, strict=True)
    ]
    await engine.write(store.park, "whole", "no", NOW)
    assert not await engine.write(sealed.reseal, "whole", parts, NOW, CIPHER)
    assert await outcomes(reader) == {1: ("parked", "whole"), 2: ("parked", "whole")}


async def test_a_cut_while_a_batch_is_halved_leaves_it_whole(engine, reader):
    """The second part is not of this batch: a bug, as a cut a moment later would be."""
    one, two = await seal(engine, "whole", RESULT, 1, 2)
    parts = [Part(batch_of("l", RESULT, 1), (one,)), Part(batch_of("r", RESULT, 1), (two + 90,))]
    with pytest.raises(ValueError, match="not in it"):
        await engine.write(sealed.reseal, "whole", parts, NOW, CIPHER)
    assert await outcomes(reader) == {1: ("sealed", "whole"), 2: ("sealed", "whole")}
    assert [head.sha256 for head in await sealed.heads(reader)] == ["whole"]


async def test_a_half_of_which_nothing_may_leave_goes_back_and_is_kept_here(engine, reader):
    one, two = await seal(engine, "whole", ALERT, 1, 2)
    parts = [Part(batch_of("l", ALERT, 1), (one,)), Part(None, (two,))]
    assert await engine.write(sealed.reseal, "whole", parts, NOW, CIPHER)
    assert await outcomes(reader) == {1: ("sealed", "l"), 2: ("queued", None)}
    rows = await reader.execute_fetchall("SELECT outcome FROM alert ORDER BY id")
    assert [row[0] for row in rows] == ["sealed", "queued"]


async def test_a_parked_batch_is_listed_with_its_reason_and_what_it_takes(engine, reader):
    await seal(engine, "aa11", RESULT, 1, 2)
    await seal(engine, "aa22", LOG, 3)
    for sha256, reason in (("aa11", "422: no"), ("aa22", "400: no")):
        await engine.write(store.park, sha256, reason, SiteTime(NOW + 5))
    found = await sealed.parked(reader)
    assert [(one.sha256, one.reason, one.rows, one.parked) for one in found] == [
        ("aa11", "422: no", 2, NOW + 5),
        ("aa22", "400: no", 1, NOW + 5),
    ]
    sizes = await reader.execute_fetchall("SELECT length(body) FROM batch ORDER BY number")
    assert [one.body_bytes for one in found] == [row[0] for row in sizes]
    assert all(one.message_bytes > 0 for one in found)
    assert [one.sha256 for one in await sealed.parked(reader, "aa2")] == ["aa22"]
    assert await sealed.parked_since(reader, NOW, 5) == [NOW + 5, NOW + 5]
    assert await sealed.parked_since(reader, NOW, 1) == [NOW + 5]
    assert await sealed.parked_since(reader, SiteTime(NOW + 5), 5) == []


async def hold(engine: Engine, now: int, bytes_max: int = 10**9, kept_h: int = 720) -> int:
    return await engine.write(sealed.hold_parked, SiteTime(now), kept_h=kept_h, bytes_max=bytes_max)


async def test_above_its_bytes_the_oldest_of_what_is_parked_is_shed_and_counted(engine, reader):
    for seq, sha256 in enumerate(("one", "two", "six"), 1):
        await seal(engine, sha256, RESULT, seq)
        await engine.write(store.park, sha256, "no", SiteTime(NOW + seq))
    each = sum((one.body_bytes + one.message_bytes) for one in await sealed.parked(reader)) // 3
    assert await hold(engine, NOW + 9, bytes_max=4 * each) == 0
    assert await hold(engine, NOW + 9, bytes_max=2 * each + 2) == 1
    assert await outcomes(reader) == {
        1: ("shed", "one"),
        2: ("parked", "two"),
        3: ("parked", "six"),
    }
    drops = await reader.execute_fetchall("SELECT device, class, reason, messages FROM dropped")
    assert [tuple(row) for row in drops] == [("cam-01", "result", "shed:parked", 1)]


async def test_what_nobody_decides_about_expires_in_the_end(engine, reader):
    await seal(engine, "old", ALERT, 1)
    await engine.write(store.park, "old", "no", NOW)
    assert await hold(engine, NOW + 720 * HOUR_MS - 1) == 0
    assert await hold(engine, NOW + 720 * HOUR_MS) == 1
    assert await outcomes(reader) == {1: ("expired", "old")}
    assert await sealed.parked(reader) == []


async def test_what_is_parked_is_kept_no_longer_than_its_contract_says(engine, reader):
    await seal(engine, "results", RESULT, 1)
    await seal(engine, "alerts", ALERT, 2)
    for sha256 in ("alerts", "results"):
        await engine.write(store.park, sha256, "no", SiteTime(NOW + HOUR_MS))
    kept_ms = OPEN.contract.result.kept_h * HOUR_MS
    assert await hold(engine, NOW + kept_ms - 1) == 0
    assert await hold(engine, NOW + kept_ms) == 1
    assert await outcomes(reader) == {1: ("expired", "results"), 2: ("parked", "alerts")}


async def test_a_batch_that_is_tried_again_and_refused_again_is_parked_with_the_new_reason(
    engine, reader
):
    await seal(engine, "b", ALERT, 1)
    await engine.write(store.park, "b", "422: first", NOW)
    assert await engine.write(store.unpark, "b")
    assert await outcomes(reader) == {1: ("sealed", "b")}
    await engine.write(store.park, "b", "422: second", SiteTime(NOW + 9))
    assert [one.reason for one in await sealed.parked(reader)] == ["422: second"]
    await engine.write(store.unpark, "b")
    await engine.write(store.delivered, "b", NOW, 0)
    assert await outcomes(reader) == {1: ("delivered", "b")}
    tally = await reader.execute_fetchall("SELECT outcome, messages FROM tally WHERE messages > 0")
    assert [tuple(row) for row in tally] == [("delivered", 1)]


async def test_what_an_operator_drops_is_shed_and_counted_as_his_choice(engine, reader):
    await seal(engine, "b", RESULT, 1, 2)
    await engine.write(store.park, "b", "422", NOW)
    assert await engine.write(store.drop_parked, "b", Outcome.SHED, NOW, why="operator")
    assert not await engine.write(store.drop_parked, "b", Outcome.SHED, NOW, why="operator")
    assert await outcomes(reader) == {1: ("shed", "b"), 2: ("shed", "b")}
    drops = await reader.execute_fetchall("SELECT reason, messages FROM dropped")
    assert [tuple(row) for row in drops] == [("shed:operator", 2)]
