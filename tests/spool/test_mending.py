"""A salvaged queue serves again only when each message is in exactly one place."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.model.identity import DeviceId
from gateway.model.message import Key
from gateway.model.outcome import MessageClass, Stream
from gateway.model.time import SiteTime
from gateway.spool import mending, store
from gateway.store.sqlite import transaction
from tests.support.spooled import CIPHER, CONTRACTS, OPEN, message, spool_file

NOW = SiteTime(1_790_000_000_000)
BATCH = "5ea1" * 16


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(spool_file(tmp_path / "spool.db")) as opened:
        with transaction(opened):
            store.remember(opened, [OPEN])
            results = [message(seq) for seq in range(1, 7)]
            alerts = [message(1, MessageClass.ALERT), message(2, MessageClass.ALERT)]
            store.enqueue(opened, [*results, *alerts], NOW, CONTRACTS, CIPHER)
            batch = store.SealedBatch(BATCH, b"sealed", MessageClass.RESULT, 2, 2)
            store.seal(opened, batch, [1, 2], NOW, CIPHER)
        yield opened


def waiting(db: sqlite3.Connection, stream: str = "data") -> list[tuple[int, str | None]]:
    return db.execute(
        "SELECT seq, batch FROM message WHERE stream = ? ORDER BY seq", (stream,)
    ).fetchall()


def test_a_whole_queue_is_left_as_it_is(db: sqlite3.Connection):
    before = waiting(db), mending.depths(db)
    assert mending.join(db) == 0
    assert mending.count_lost(db, mending.depths(db), NOW) == {}
    assert (waiting(db), mending.depths(db)) == before
    assert mending.depths(db) == {"alert": 2, "result": 6}


def test_a_message_both_waiting_and_ended_has_ended(db: sqlite3.Connection):
    """A page of one table may be older than a page of the other: it is never sent again."""
    db.execute(
        "INSERT INTO ended (device, epoch, stream, class, first_seq, last_seq, outcome, ended_ms) "
        "VALUES ('cam-01', 7, 'data', 'result', 3, 4, 'delivered', 5)"
    )
    mending.join(db)
    assert [seq for seq, _ in waiting(db)] == [1, 2, 5, 6]
    assert mending.depths(db) == {"alert": 2, "result": 4}


def test_messages_whose_sealed_batch_is_gone_wait_again(db: sqlite3.Connection):
    db.execute("DELETE FROM batch")
    assert mending.join(db) == 2
    assert all(batch is None for _, batch in waiting(db))


def test_a_batch_whose_messages_are_gone_is_not_sent(db: sqlite3.Connection):
    """Its rows are counted as lost; sent all the same, they would have two ends."""
    db.execute("DELETE FROM message WHERE batch IS NOT NULL")
    mending.join(db)
    assert db.execute("SELECT count(*) FROM batch").fetchone() == (0,)


def test_a_parked_batch_stays(db: sqlite3.Connection):
    store.park(db, BATCH, "400 no", NOW)
    mending.join(db)
    assert db.execute("SELECT parked FROM batch").fetchone() == ("400 no",)


def test_a_lost_alert_says_so_on_the_page_for_a_while(db: sqlite3.Connection):
    waited = mending.depths(db)
    db.execute("DELETE FROM message WHERE stream = 'alert' AND seq = 1")
    mending.join(db)
    assert mending.count_lost(db, waited, NOW) == {"alert": 1}
    shown = db.execute("SELECT outcome, expires_ms FROM alert ORDER BY id").fetchall()
    assert shown == [("lost", NOW + mending.LOST_ALERTS_SHOWN_MS), ("queued", None)]


@pytest.mark.parametrize("known", [True, False], ids=["exact", "unsure"])
def test_the_trace_names_lost_messages_only_where_the_digests_tell_them_exactly(
    db: sqlite3.Connection, *, known: bool
):
    waited = mending.depths(db)
    db.execute("INSERT INTO origin (id, device, epoch, used_ms) VALUES (1, 'cam-01', 7, 5)")
    db.executemany(
        "INSERT INTO seen (origin, stream, seq, digest) VALUES (1, ?, ?, x'00')",
        [("data", seq) for seq in range(1, 7 if known else 6)] + [("alert", 1), ("alert", 2)],
    )
    db.execute("DELETE FROM message WHERE stream = 'data' AND seq IN (5, 6)")
    mending.join(db)
    assert mending.count_lost(db, waited, NOW) == {"result": 2}
    named = db.execute("SELECT first_seq FROM ended WHERE outcome = 'lost'").fetchall()
    assert named == ([(5,), (6,)] if known else [])
    assert db.execute("SELECT messages FROM tally WHERE outcome = 'lost'").fetchone() == (2,)
    assert db.execute("SELECT reason, messages FROM dropped").fetchone() == ("queue-damaged", 2)


def test_a_dead_letter_is_no_lost_message(db: sqlite3.Connection):
    db.execute("INSERT INTO origin (id, device, epoch, used_ms) VALUES (1, 'cam-01', 7, 5)")
    db.execute("INSERT INTO seen (origin, stream, seq, digest) VALUES (1, 'data', 9, x'00')")
    store.bury(db, [(Key(DeviceId("cam-01"), 7, Stream.DATA, 9), "contract")], NOW)
    waited = mending.depths(db)
    mending.join(db)
    assert mending.count_lost(db, waited, NOW) == {}
