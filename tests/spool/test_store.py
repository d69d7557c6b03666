"""What each write of the spool promises, one at a time."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.model.contract import Contract, ContractInForce, ResultRule
from gateway.model.message import Key, Message
from gateway.model.outcome import MessageClass, Outcome
from gateway.model.time import SiteTime
from gateway.spool import store
from gateway.spool.lifetime import HOUR_MS
from gateway.spool.limits import EXPIRED_A_SWEEP_MAX
from gateway.spool.places import batch_place
from tests.support.spooled import (
    CIPHER,
    CLOSED,
    CONTRACTS,
    OPEN,
    PICTURE,
    item,
    message,
    spool_file,
)

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
NOW = SiteTime(1_000_000)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = spool_file(tmp_path / "spool.db")
    yield opened
    opened.close()


def rows(db: sqlite3.Connection, sql: str, *values: object) -> list[Any]:
    return db.execute(sql, values).fetchall()


def keep(db: sqlite3.Connection, *messages: Message, now: int = NOW) -> list[int]:
    """Keep messages and return their ids."""
    store.enqueue(db, messages, SiteTime(now), CONTRACTS, CIPHER)
    return [n for (n,) in rows(db, "SELECT id FROM message ORDER BY id")][-len(messages) :]


def seal(db: sqlite3.Connection, ids: list[int], name: str = "5", of: MessageClass = RESULT) -> str:
    batch = store.SealedBatch(name * 64, b"body", of, len(ids), len(ids))
    assert store.seal(db, batch, ids, NOW, CIPHER)
    return batch.sha256


def outcomes(db: sqlite3.Connection) -> list[Any]:
    return rows(db, "SELECT first_seq, last_seq, outcome FROM ended ORDER BY id")


def test_a_picture_lies_beside_its_message_and_counts_into_its_size(db):
    two = (item(ALERT), item(ALERT, image=None))
    keep(db, message(1, ALERT, *two))
    body, size = rows(db, "SELECT body, size_bytes FROM message")[0]
    assert PICTURE.data not in body
    assert size == len(body) + len(PICTURE.data)
    found = rows(db, "SELECT picture_type, data FROM alert LEFT JOIN picture ON alert = id")
    assert [(kind, data is None) for kind, data in found] == [("image/png", False), (None, True)]
    assert rows(db, "SELECT * FROM depth") == [("alert", 1, size)]


def test_a_batch_of_which_one_message_is_gone_is_not_sealed_and_changes_nothing(db):
    ids = keep(db, message(1), message(2))
    seal(db, ids[:1])
    other = store.SealedBatch("6" * 64, b"body", RESULT, 2, 2)
    assert not store.seal(db, other, ids, NOW, CIPHER)
    assert rows(db, "SELECT sha256 FROM batch") == [("5" * 64,)]
    assert rows(db, "SELECT batch FROM message WHERE seq = 2") == [(None,)]


def test_a_delivered_batch_ends_its_messages_as_ranges_and_drops_its_bytes(db):
    ids = keep(db, *[message(seq) for seq in (1, 2, 3, 5)])
    sha256 = seal(db, ids)
    store.delivered(db, sha256, NOW, HOUR_MS)
    assert outcomes(db) == [(1, 3, "delivered"), (5, 5, "delivered")]
    assert rows(db, "SELECT count(*) FROM message") == rows(db, "SELECT count(*) FROM batch")
    assert rows(db, "SELECT * FROM tally") == [("result", "delivered", 4)]


def test_a_batch_that_is_delivered_twice_ends_once(db):
    sha256 = seal(db, keep(db, message(1)))
    for _ in range(2):
        store.delivered(db, sha256, NOW, HOUR_MS)
    assert outcomes(db) == [(1, 1, "delivered")]
    assert rows(db, "SELECT messages FROM tally") == [(1,)]


def test_a_batch_that_nobody_knows_ends_nothing(db):
    keep(db, message(1))
    store.delivered(db, "f" * 64, NOW, HOUR_MS)
    store.park(db, "f" * 64, "no", NOW)
    assert outcomes(db) == []
    assert rows(db, "SELECT rows FROM depth") == [(1,)]


def test_a_parked_batch_keeps_its_bytes_its_messages_and_its_first_reason(db):
    sha256 = seal(db, keep(db, message(1), message(2)))
    for reason in ("schema error", "asked again"):
        store.park(db, sha256, reason, NOW)
    assert outcomes(db) == []
    assert rows(db, "SELECT * FROM tally") == [("result", "parked", 2)]
    assert rows(db, "SELECT rows FROM depth") == [(0,)]
    assert rows(db, "SELECT parked, parked_ms FROM batch") == [("schema error", NOW)]
    ((key_id, sealed),) = rows(db, "SELECT key_id, body FROM batch")
    assert CIPHER.open(key_id, sealed, batch_place(sha256)) == b"body"


def test_a_late_answer_to_a_parked_batch_changes_nothing(db):
    sha256 = seal(db, keep(db, message(1)))
    store.park(db, sha256, "schema error", NOW)
    store.delivered(db, sha256, NOW, HOUR_MS)
    assert rows(db, "SELECT class, outcome, messages FROM tally") == [("result", "parked", 1)]
    assert rows(db, "SELECT count(*) FROM batch") == [(1,)]


def test_a_batch_that_a_program_of_the_first_schema_parked_can_be_dropped_but_not_tried_again(db):
    """It kept no messages of what it parked, so nothing could end them a second time."""
    db.execute(
        "INSERT INTO batch (sha256, class, rows, items, sealed_ms, parked, body) "
        "VALUES ('old', 'result', 1, 1, 5, 'no', x'00')"
    )
    assert not store.unpark(db, "old")
    assert store.drop_parked(db, "old", Outcome.SHED, NOW, why="operator")
    assert rows(db, "SELECT count(*) FROM batch") == [(0,)]
    assert rows(db, "SELECT * FROM tally") == []


def test_a_parked_alert_stays_on_the_page_for_a_month(db):
    sha256 = seal(db, keep(db, message(1, ALERT)), of=ALERT)
    store.park(db, sha256, "schema error", NOW)
    expected = NOW + 30 * 24 * HOUR_MS
    assert rows(db, "SELECT outcome, expires_ms FROM alert") == [("parked", expected)]


def test_results_expire_after_their_hours_and_alerts_that_leave_never(db):
    keep(db, message(1), message(2, LOG), message(3, ALERT))
    assert store.expire(db, SiteTime(NOW + 24 * HOUR_MS - 1)) == 0
    assert store.expire(db, SiteTime(NOW + 24 * HOUR_MS)) == 1
    assert store.expire(db, SiteTime(NOW + 720 * HOUR_MS)) == 1
    assert store.expire(db, SiteTime(NOW + 10**6 * HOUR_MS)) == 0
    assert rows(db, "SELECT class FROM message") == [("alert",)]
    assert rows(db, "SELECT * FROM tally ORDER BY class") == [
        ("log", "expired", 1),
        ("result", "expired", 1),
    ]


def test_what_is_sealed_does_not_expire_any_more(db):
    seal(db, keep(db, message(1)))
    assert store.expire(db, SiteTime(NOW + 10**6 * HOUR_MS)) == 0


def test_one_sweep_ends_a_bounded_number_the_oldest_first(db):
    late = SiteTime(NOW + 1)
    store.enqueue(db, [message(1)], late, CONTRACTS, CIPHER)
    many = [message(seq) for seq in range(2, EXPIRED_A_SWEEP_MAX + 2)]
    store.enqueue(db, many, NOW, CONTRACTS, CIPHER)
    end = SiteTime(NOW + 48 * HOUR_MS)
    assert store.expire(db, end) == EXPIRED_A_SWEEP_MAX
    assert rows(db, "SELECT seq FROM message") == [(1,)]
    assert store.expire(db, end) == 1


def test_withheld_messages_stay_here_for_a_day_or_as_long_as_their_class(db):
    ids = keep(db, message(1, ALERT), message(2, LOG))
    store.withhold(db, ids)
    assert rows(db, "SELECT class, leaves, expires_ms - received_ms FROM message ORDER BY id") == [
        ("alert", 0, 24 * HOUR_MS),
        ("log", 0, 720 * HOUR_MS),
    ]


def test_an_alert_stays_on_the_page_until_its_time_after_delivery_is_over(db):
    sha256 = seal(db, keep(db, message(1, ALERT)), of=ALERT)
    store.prune(db, SiteTime(NOW + 10**9), trace_rows=10, alerts=10)
    assert rows(db, "SELECT outcome FROM alert") == [("sealed",)]
    store.delivered(db, sha256, NOW, 2 * HOUR_MS)
    store.prune(db, SiteTime(NOW + 2 * HOUR_MS - 1), trace_rows=10, alerts=10)
    assert rows(db, "SELECT outcome FROM alert") == [("delivered",)]
    store.prune(db, SiteTime(NOW + 2 * HOUR_MS), trace_rows=10, alerts=10)
    assert rows(db, "SELECT * FROM alert") == rows(db, "SELECT * FROM picture") == []


def test_pruning_never_drops_an_alert_that_still_waits_however_many_follow(db):
    first = keep(db, message(1, ALERT))
    others = keep(db, *[message(seq, ALERT) for seq in range(2, 30)])
    sha256 = seal(db, others, of=ALERT)
    store.delivered(db, sha256, NOW, 10**6 * HOUR_MS)
    store.prune(db, NOW, trace_rows=1_000, alerts=10)
    shown = [number for (number,) in rows(db, "SELECT message FROM alert ORDER BY id")]
    assert shown == [*first, *others[-10:]]
    assert len(rows(db, "SELECT * FROM picture")) == 11


def test_the_trace_is_pruned_from_its_oldest_end_and_the_tally_goes_on(db):
    for seq in range(1, 6):
        store.bury(db, [(message(2 * seq).key, "contract")], NOW)
    store.prune(db, NOW, trace_rows=3, alerts=10)
    assert [first for first, _, _ in outcomes(db)] == [6, 8, 10]
    assert rows(db, "SELECT messages FROM tally") == [(5,)]


def test_dead_letters_end_under_the_name_of_their_stream(db):
    store.bury(db, [(message(1, one).key, "contract") for one in (ALERT, METRIC)], NOW)
    assert rows(db, "SELECT stream, class, outcome FROM ended ORDER BY id") == [
        ("alert", "alert", "dead-lettered"),
        ("data", "data", "dead-lettered"),
    ]


def test_ranges_never_join_two_devices_epochs_or_classes(db):
    made = [
        message(1),
        message(2),
        message(3, LOG),
        message(4),
        message(5, device="cam-02"),
        message(6, epoch=8),
    ]
    ids = keep(db, *made)
    store.expire(db, SiteTime(NOW + 10**6 * HOUR_MS))
    assert len(ids) == 6
    assert sorted(rows(db, "SELECT device, epoch, class, first_seq, last_seq FROM ended")) == [
        ("cam-01", 7, "log", 3, 3),
        ("cam-01", 7, "result", 1, 2),
        ("cam-01", 7, "result", 4, 4),
        ("cam-01", 8, "result", 6, 6),
        ("cam-02", 7, "result", 5, 5),
    ]


def changed(rows_leave: bool, sha256: str) -> ContractInForce:  # noqa: FBT001 -- a case
    contract = Contract(version=1, name="open", result=ResultRule(rows_leave=rows_leave))
    return ContractInForce(contract, sha256 * 64)


def test_a_contract_is_remembered_until_the_last_message_under_it_has_ended(db):
    before, after = changed(True, "1"), changed(False, "2")  # noqa: FBT003
    store.remember(db, [before])
    store.enqueue(db, [message(1, contract=before)], NOW, {before.sha256: before}, CIPHER)
    assert store.remember(db, [after]) == {before.sha256: before, after.sha256: after}
    sha256 = seal(db, [1])
    assert store.remember(db, [after]) == {before.sha256: before, after.sha256: after}
    store.delivered(db, sha256, NOW, 0)
    assert store.remember(db, [after]) == {after.sha256: after}
    assert rows(db, "SELECT sha256 FROM contract") == [(after.sha256,)]


def test_a_contract_of_metrics_that_wait_for_nothing_is_remembered_too(db):
    store.remember(db, [CLOSED])
    keep(db, message(1, METRIC, contract=CLOSED))
    assert store.remember(db, [OPEN]) == CONTRACTS


@pytest.mark.parametrize("message_class", list(MessageClass))
def test_a_key_is_recorded_whole(db, message_class: MessageClass):
    one = message(2**53 - 1, message_class, epoch=2**53 - 1, device="d" * 63)
    keep(db, one)
    row = rows(db, "SELECT device, epoch, stream, seq, class, boot, mono_ms FROM message")[0]
    key: Key = one.key
    assert row == (key.device, key.epoch, key.stream.value, key.seq, message_class.value, "boot", 5)
