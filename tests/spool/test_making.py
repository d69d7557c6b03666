"""Giving up messages on a real file: the oldest first, whole pages, one outcome each."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model.message import Message
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool import making, store
from gateway.spool.budget import ROW_BYTES, Disk, Level
from gateway.spool.limits import GIB, MIB, SpoolLimits
from gateway.spool.making import MESSAGES_A_STEP, Made
from gateway.spool.shedding import Wish
from gateway.store.sqlite import transaction
from tests.support.spooled import CIPHER, CONTRACTS, message, spool_file

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
NOW = SiteTime(1_000_000)
ROOMY = Disk(1_000 * GIB, 0, 8 * MIB, 32 * MIB)
NONE = Disk(free_bytes=0, file_bytes=1_000 * GIB, wal_bytes=8 * MIB, reserve_bytes=32 * MIB)
LIMITS = SpoolLimits(alert_reserve_bytes=MIB)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = spool_file(tmp_path / "spool.db")
    yield opened
    opened.close()


def keep(db: sqlite3.Connection, *messages: Message) -> None:
    with transaction(db):
        store.enqueue(db, messages, NOW, CONTRACTS, CIPHER)


def mixed(rounds: int, *classes: MessageClass) -> list[Message]:
    """Messages of all classes by turns, as a site sends them."""
    return [
        message(seq * len(classes) + turn, one, device=f"cam-{turn}")
        for seq in range(1, rounds + 1)
        for turn, one in enumerate(classes)
    ]


def step(
    db: sqlite3.Connection,
    limits: SpoolLimits = LIMITS,
    disk: Disk = NONE,
    sparing: str = "",
) -> Made:
    with transaction(db):
        return making.make_room(
            db, disk=disk, limits=limits, before=Level.OK, now=NOW, sparing=sparing
        )


def waiting(db: sqlite3.Connection) -> Counter[str]:
    return Counter(dict(db.execute("SELECT class, count(*) FROM message GROUP BY class")))


def test_without_room_the_classes_go_in_the_published_order_and_alerts_stay(db):
    keep(db, *mixed(30, METRIC, LOG, RESULT, ERROR_LOG, ALERT))
    order: list[MessageClass] = []
    while (made := step(db)).shed_bytes:
        order += [one for one in made.shed if one not in order]
    assert order == [METRIC, LOG, RESULT, ERROR_LOG]
    assert waiting(db) == {"alert": 30}
    assert db.execute("SELECT class, outcome, messages FROM tally ORDER BY class").fetchall() == [
        (one, "shed", 30) for one in ("error-log", "log", "metric", "result")
    ]


def test_the_oldest_of_a_class_go_first_and_no_more_than_is_asked(db):
    keep(db, *mixed(100, METRIC))
    size = making.usage(db).waiting[METRIC]
    assert size == 100 * (size // 100), "they are all of one size"
    limits = SpoolLimits(metric_bytes_max=MIB)
    keep(db, *[message(1_000 + seq, METRIC) for seq in range(4_000)])
    over = making.usage(db).waiting[METRIC] - MIB
    made = step(db, limits, ROOMY)
    going = -(-(over + MIB * 2 // 100) // (size // 100))
    assert made.shed == {METRIC: min(going, MESSAGES_A_STEP)}
    (first,) = db.execute("SELECT min(id) FROM message").fetchone()
    assert first == 1 + made.shed[METRIC]
    assert made.shed_bytes >= made.shed[METRIC] * ROW_BYTES


def test_a_class_above_its_budget_comes_down_below_it_and_others_keep_theirs(db):
    keep(db, *mixed(4_000, METRIC, LOG))
    limits = SpoolLimits(metric_bytes_max=MIB)
    while step(db, limits, ROOMY).shed_bytes:
        pass
    held = making.usage(db).waiting
    assert 0.9 * MIB < held[METRIC] <= MIB
    assert waiting(db)["log"] == 4_000
    reasons = db.execute("SELECT device, class, reason FROM dropped").fetchall()
    assert reasons == [("cam-0", "metric", "shed:class-budget")]


def test_what_is_shed_frees_whole_pages_though_other_classes_lie_between(db):
    keep(db, *mixed(4_000, RESULT, METRIC, LOG))
    held = making.usage(db)
    share = held.waiting[METRIC] / sum(held.waiting.values())
    while waiting(db)["metric"]:
        step(db)
    assert waiting(db) == {"result": 4_000, "log": 4_000}
    freed = 1 - making.usage(db).used_bytes / held.used_bytes
    assert freed > share / 3  # the trace of what went takes the rest of it


def test_rows_that_move_to_fill_pages_stay_the_same_rows(db):
    keep(db, *mixed(200, RESULT, METRIC, ALERT))
    kept = "SELECT * FROM message WHERE class <> 'metric' ORDER BY id"
    before = db.execute(kept).fetchall()
    with transaction(db):
        made = making.make_room(db, disk=ROOMY, limits=LIMITS, before=Level.OK, now=NOW)
        wish = Wish(METRIC, 1 << 40, "disk")
        making._give_up(db, wish, NOW, made)
    assert made.shed == {METRIC: 200}
    assert db.execute(kept).fetchall() == before
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def seal(db: sqlite3.Connection, name: str, *numbers: int) -> str:
    batch = store.SealedBatch(name * 64, b"body", RESULT, len(numbers), len(numbers))
    with transaction(db):
        assert store.seal(db, batch, numbers, NOW, CIPHER)
    return batch.sha256


def test_sealed_batches_go_after_all_that_is_not_sealed_and_never_the_one_under_way(db):
    keep(db, *[message(seq) for seq in range(1, 4)], message(4, ERROR_LOG))
    first, second = seal(db, "5", 1), seal(db, "6", 2)
    assert step(db, sparing=first).shed == {RESULT: 1, ERROR_LOG: 1}
    assert step(db, sparing=first).shed == {RESULT: 1}
    assert not step(db, sparing=first).shed_bytes
    assert db.execute("SELECT sha256 FROM batch").fetchall() == [(first,)]
    ended = db.execute("SELECT first_seq, outcome, batch FROM ended ORDER BY id").fetchall()
    assert ended[-1] == (2, "shed", second)


def test_a_parked_batch_has_ended_and_is_not_shed(db):
    keep(db, message(1))
    sha256 = seal(db, "5", 1)
    with transaction(db):
        store.park(db, sha256, "schema error", NOW)
    assert not step(db).shed_bytes
    assert db.execute("SELECT parked FROM batch").fetchall() == [("schema error",)]


def test_sealed_and_parked_batches_count_into_the_budget(db):
    before = making.usage(db).used_bytes
    keep(db, message(1))
    batch = store.SealedBatch("5" * 64, b"x" * MIB, RESULT, 1, 1)
    with transaction(db):
        assert store.seal(db, batch, [1], NOW, CIPHER)
        store.park(db, batch.sha256, "schema error", NOW)
    assert making.usage(db).used_bytes - before > MIB


def test_what_is_free_inside_the_file_is_told_from_what_is_used(db):
    keep(db, *mixed(2_000, METRIC))
    before = making.usage(db)
    while step(db, LIMITS, NONE).shed_bytes:
        pass
    after = making.usage(db)
    assert after.used_bytes < before.used_bytes / 2
    assert after.reusable_bytes > before.used_bytes / 2


def test_an_alert_that_is_shed_is_no_longer_shown_as_waiting(db):
    keep(db, *mixed(4_000, ALERT))
    shed = step(db, SpoolLimits(alert_bytes_max=MIB), ROOMY).shed[ALERT]
    shown = Counter(row[0] for row in db.execute("SELECT outcome FROM alert"))
    assert shown == {"shed": shed, "queued": 4_000 - shed}
    assert shed > 100


def test_a_probe_writes_and_changes_nothing(db, tmp_path: Path):
    keep(db, message(1, ALERT))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    held = db.execute("SELECT * FROM depth").fetchall()
    with transaction(db):
        making.probe(db)
    assert db.execute("SELECT * FROM depth").fetchall() == held
    assert (tmp_path / "spool.db-wal").stat().st_size > 0
