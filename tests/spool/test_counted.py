"""Every drop is counted by class, device and reason, and what comes in by hour and class."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool import counted, ending, store
from gateway.spool.counted import Drop, Inflow
from gateway.spool.lifetime import HOUR_MS
from tests.support.spooled import CIPHER, CONTRACTS, message, spool_file

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
NOW = SiteTime(500_000 * HOUR_MS + 5)


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[sqlite3.Connection, aiosqlite.Connection]]:
    written = spool_file(tmp_path / "spool.db")
    async with aiosqlite.connect(tmp_path / "spool.db") as read:
        yield written, read
    written.close()


async def test_every_drop_is_counted_by_class_device_and_reason(both):
    db, reader = both
    mine = [message(1), message(2), message(3, METRIC)]
    store.enqueue(db, [*mine, message(1, device="cam-02")], NOW, CONTRACTS, CIPHER)
    store.bury(db, [(message(9).key, "contract"), (message(1, ALERT).key, "malformed")], NOW)
    store.expire(db, SiteTime(NOW + 24 * HOUR_MS))
    assert await counted.drops(reader) == [
        Drop("cam-01", "alert", "dead-lettered:malformed", 1),
        Drop("cam-01", "data", "dead-lettered:contract", 1),
        Drop("cam-01", "result", "expired:undelivered", 2),
        Drop("cam-02", "result", "expired:undelivered", 1),
    ]
    assert (await counted.drop_totals(reader))[
        "messages_dropped_total:result:expired:undelivered"
    ] == 3


async def test_what_never_leaves_is_not_counted_as_undelivered(both):
    db, reader = both
    store.enqueue(db, [message(1), message(2, METRIC)], NOW, CONTRACTS, CIPHER)
    store.expire(db, SiteTime(NOW + 168 * HOUR_MS))
    assert await counted.drops(reader) == [
        Drop("cam-01", "metric", "expired", 1),
        Drop("cam-01", "result", "expired:undelivered", 1),
    ]


async def test_what_is_delivered_or_still_lies_parked_is_no_drop(both):
    db, reader = both
    store.enqueue(db, [message(1), message(2)], NOW, CONTRACTS, CIPHER)
    for number, sha256 in ((1, "5" * 64), (2, "6" * 64)):
        batch = store.SealedBatch(sha256, b"body", RESULT, 1, 1)
        assert store.seal(db, batch, [number], NOW, CIPHER)
    store.delivered(db, "5" * 64, NOW, HOUR_MS)
    store.park(db, "6" * 64, "schema error", NOW)
    assert await counted.drops(reader) == []


async def test_a_drop_of_which_there_are_too_many_rows_is_still_counted_without_its_device(both):
    db, reader = both
    for number, drops in enumerate((5, 1, 2)):
        for seq in range(drops):
            store.bury(db, [(message(seq, device=f"cam-{number}").key, "contract")], NOW)
    ending.fold_drops(db, most=1)
    ending.fold_drops(db, most=1)
    assert await counted.drops(reader) == [
        Drop("*", "data", "dead-lettered:contract", 3),
        Drop("cam-0", "data", "dead-lettered:contract", 5),
    ]


async def test_what_comes_in_is_counted_by_hour_and_class_for_two_days(both):
    db, reader = both
    store.enqueue(db, [message(1), message(2), message(1, ALERT)], NOW, CONTRACTS, CIPHER)
    later = SiteTime(NOW + HOUR_MS)
    store.enqueue(db, [message(3)], later, CONTRACTS, CIPHER)
    found = await counted.inflow(reader, NOW)
    assert [(one.hour, one.message_class, one.messages) for one in found] == [
        (500_000, ALERT, 1),
        (500_000, RESULT, 2),
        (500_001, RESULT, 1),
    ]
    one_size = found[2].size_bytes
    assert found[1] == Inflow(500_000, RESULT, 2, 2 * one_size)
    assert await counted.inflow(reader, later) == found[2:]
    store.prune(db, SiteTime(later + 48 * HOUR_MS), trace_rows=1_000, alerts=10)
    assert await counted.inflow(reader, SiteTime(0)) == found[2:]
