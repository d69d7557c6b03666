"""What is read of the spool while it is written: trace, depth, what is due, what is shown."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.model.outcome import MessageClass
from gateway.model.telemetry import AlertItem
from gateway.model.time import SiteTime
from gateway.spool import due, store, trace
from gateway.spool.trace import AlertShown, Depth, TraceLine
from gateway.store.sqlite import Engine
from tests.support.spooled import CIPHER, CLOSED, CONTRACTS, PICTURE, item, message

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


async def keep(engine: Engine, *messages, now: int = NOW) -> None:
    await engine.write(store.enqueue, messages, SiteTime(now), CONTRACTS, CIPHER)


async def seal(
    engine: Engine, sha256: str, ids: list[int], of: MessageClass, now: SiteTime = NOW
) -> None:
    batch = store.SealedBatch(sha256, b"body of " + sha256.encode(), of, len(ids), 2 * len(ids))
    assert await engine.write(store.seal, batch, ids, now, CIPHER)


def line(seq: int, outcome: str, batch: str | None = None, name: str = "result") -> TraceLine:
    return TraceLine("cam-01", 7, "alert" if name == "alert" else "data", seq, name, outcome, batch)


async def test_the_trace_has_one_line_a_message_wherever_it_is(engine: Engine, reader):
    await keep(engine, *[message(seq) for seq in range(1, 7)])
    await seal(engine, "d", [1, 2], RESULT)
    await engine.write(store.delivered, "d", NOW, 0)
    await seal(engine, "p", [3], RESULT)
    await engine.write(store.park, "p", "no", NOW)
    await seal(engine, "s", [4], RESULT)
    await engine.write(store.bury, [(message(9).key, "contract")], NOW)
    assert [one async for one in trace.trace(reader)] == [
        line(1, "delivered", "d"),
        line(2, "delivered", "d"),
        line(9, "dead-lettered", name="data"),
        line(3, "parked", "p"),
        line(4, "sealed", "s"),
        line(5, "queued"),
        line(6, "queued"),
    ]


async def test_a_message_that_ends_while_the_trace_is_read_stands_there_once(
    engine: Engine, reader
):
    await keep(engine, message(1), message(2))
    await seal(engine, "d", [1, 2], RESULT)
    lines = []
    async for one in trace.trace(reader):
        lines.append(one)
        await engine.write(store.delivered, "d", NOW, 0)
    assert [(one.seq, one.outcome) for one in lines] == [(1, "sealed"), (2, "sealed")]
    after = [(one.seq, one.outcome) async for one in trace.trace(reader)]
    assert after == [(1, "delivered"), (2, "delivered")]


async def test_a_trace_that_is_given_up_frees_its_connection_for_the_next(engine: Engine, reader):
    await keep(engine, message(1), message(2))
    async with contextlib.aclosing(trace.trace(reader)) as lines:
        async for _ in lines:
            break
    assert len([one async for one in trace.trace(reader)]) == 2


async def test_depth_says_how_much_waits_and_since_when(engine: Engine, reader):
    await keep(engine, message(1, LOG), message(2, LOG))
    await keep(engine, message(3, ALERT), now=NOW + 5)
    found = await trace.depths(reader)
    assert found[RESULT] == found[METRIC] == Depth()
    assert (found[LOG].rows, found[LOG].oldest) == (2, NOW)
    assert (found[ALERT].rows, found[ALERT].oldest) == (1, NOW + 5)
    await engine.write(store.expire, SiteTime(NOW + 10**12))
    assert (await trace.depths(reader))[LOG] == Depth(0, 0, None)


async def test_what_is_due_is_the_oldest_of_a_class_that_may_leave(engine: Engine, reader):
    kept = [message(seq, RESULT) for seq in (1, 2, 3)]
    await keep(engine, *kept, message(4, METRIC), message(5, ALERT), message(6, ALERT))
    await keep(engine, message(7, ALERT, contract=CLOSED))
    await seal(engine, "s", [5], ALERT)
    for of, numbers in ((ALERT, [6]), (RESULT, [1, 2]), (METRIC, []), (LOG, [])):
        found = await due.waiting(reader, of, 2, NOW)
        assert [one.number for one in found] == numbers
        assert {(one.message_class, one.received) for one in found} <= {(of, NOW)}


async def numbers(reader, most: int, live_from: int) -> list[int]:
    return [one.number for one in await due.waiting(reader, RESULT, most, SiteTime(live_from))]


async def test_beside_the_oldest_the_first_live_messages_are_found_behind_any_backlog(
    engine: Engine, reader
):
    for seq in range(1, 41):
        await keep(engine, message(seq, RESULT), message(seq, LOG), now=NOW + seq)
    results = [one.number for one in await due.waiting(reader, RESULT, 99, SiteTime(0))]
    assert len(results) == 40
    for live in (1, 2, 3, 7, 20, 39, 40):
        wanted = dict.fromkeys([*results[:3], *results[live - 1 : live + 2]])
        found = await numbers(reader, 3, NOW + live)
        assert found[:3] == results[:3]
        assert set(wanted) <= set(found) if live > 1 else found == results[:3], live
        assert len(found) == len(set(found)) <= 6
    assert await numbers(reader, 3, NOW + 41) == results[:3]  # nothing is live
    assert await numbers(reader, 40, NOW + 20) == results  # these are all


async def test_contents_come_back_as_they_were_admitted_pictures_with_their_alerts(
    engine: Engine, reader
):
    items = (item(ALERT, label="first"), item(ALERT, label="second", image=None), item(ALERT))
    await keep(engine, message(1, ALERT, *items), message(2, LOG), message(3, ALERT))
    (content,) = await due.contents(reader, ALERT, (1,), CIPHER)
    assert content.items == items
    first = content.items[0]
    assert isinstance(first, AlertItem)
    assert first.image == PICTURE
    (log,) = await due.contents(reader, LOG, (2,), CIPHER)
    assert log.items == (item(LOG),)


async def test_the_page_sees_the_newest_alerts_and_their_pictures(engine: Engine, reader):
    await keep(engine, message(1, ALERT), message(2, ALERT, item(ALERT, image=None)))
    shown = await trace.alerts(reader, 5, CIPHER)
    assert shown[0] == AlertShown(
        2, "cam-01", "defect", "major", "scratch", 0.5, NOW, "queued", pictured=False
    )
    assert [one.number for one in await trace.alerts(reader, 1, CIPHER)] == [2]
    assert shown[1].pictured
    assert await trace.picture(reader, 1, CIPHER) == ("image/png", PICTURE.data)
    assert await trace.picture(reader, 2, CIPHER) is None
    assert await trace.picture(reader, 99, CIPHER) is None


async def test_ends_are_tallied_under_names_that_stay(engine: Engine, reader):
    await engine.write(store.bury, [(message(n).key, "contract") for n in (1, 2)], NOW)
    assert await trace.tallies(reader) == {"messages_ended_total:data:dead-lettered": 2}
