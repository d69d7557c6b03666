"""How full is full: the budget, the disk, the two reserves, the watermarks."""

from dataclasses import replace

import msgspec
import pytest

from gateway.model.outcome import MessageClass
from gateway.spool.budget import LARGEST_BYTES, Bound, Disk, Level, Usage, assess
from gateway.spool.limits import GIB, MIB, SpoolLimits, budget_findings

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
LIMITS = SpoolLimits(
    bytes_max=1_000 * MIB,
    alert_reserve_bytes=200 * MIB,
    alert_bytes_max=500 * MIB,
    tight_percent=90,
    state_reserve_bytes=32 * MIB,
)
ROOMY = Disk(free_bytes=1_000 * GIB, file_bytes=0, wal_bytes=8 * MIB, reserve_bytes=32 * MIB)


def used(mib: float, *, alerts: float = 0, reusable: float = 0) -> Usage:
    return Usage({ALERT: int(alerts * MIB)}, int(mib * MIB), int(reusable * MIB))


@pytest.mark.parametrize(
    ("mib", "level"),
    [(0, Level.OK), (719, Level.OK), (720, Level.TIGHT), (799, Level.TIGHT), (800, Level.FULL)],
)
def test_the_watermarks_lie_below_what_is_kept_for_alerts(mib: int, level: Level):
    assert assess(used(mib), ROOMY, LIMITS).level is level


def test_a_level_ends_only_with_more_room_than_began_it():
    assert assess(used(719), ROOMY, LIMITS, Level.TIGHT).level is Level.TIGHT
    assert assess(used(681), ROOMY, LIMITS, Level.FULL).level is Level.TIGHT
    assert assess(used(679), ROOMY, LIMITS, Level.TIGHT).level is Level.OK


def test_alerts_go_on_where_data_is_full():
    found = assess(used(800), ROOMY, LIMITS)
    assert (found.room.data_bytes, found.room.alert_bytes) == (0, 200 * MIB)
    assert found.room.pause
    assert not found.alerts_held


def test_what_alerts_have_of_their_reserve_is_not_kept_free_for_them_again():
    assert assess(used(800, alerts=150), ROOMY, LIMITS).data_room == 150 * MIB
    assert assess(used(800, alerts=300), ROOMY, LIMITS).data_room == 200 * MIB - LARGEST_BYTES


def test_below_the_alert_reserve_alerts_are_held_back():
    assert assess(used(1_000), ROOMY, LIMITS).alerts_held
    assert assess(used(1_000), ROOMY, LIMITS).room.alert_bytes == 0
    assert assess(used(999.6), ROOMY, LIMITS).alerts_held, "the largest does not fit"
    assert not assess(used(999), ROOMY, LIMITS).alerts_held
    data = Usage({ALERT: 0, METRIC: 1}, 1_000 * MIB, 0)
    assert not assess(data, ROOMY, LIMITS).alerts_held, "data will make room for it"


def test_alerts_at_their_own_budget_are_held_back_though_there_is_room():
    found = assess(used(600, alerts=500), ROOMY, LIMITS)
    assert found.alerts_held
    assert found.level is Level.OK


def test_real_free_space_counts_and_not_the_budget_alone():
    disk = replace(ROOMY, free_bytes=300 * MIB)
    found = assess(used(10), disk, LIMITS)
    assert (found.bound, found.data_room) == (Bound.DISK, 89 * MIB)  # 10 more are in the WAL


def test_pages_that_hold_nothing_count_as_free_space():
    disk = replace(ROOMY, free_bytes=0, file_bytes=310 * MIB)
    found = assess(used(10, reusable=300), disk, LIMITS)
    assert (found.level, found.data_room) == (Level.OK, 99 * MIB)


def test_a_reserve_that_is_given_up_counts_as_if_it_lay_there():
    laid = assess(used(0), replace(ROOMY, free_bytes=300 * MIB), LIMITS)
    given = replace(ROOMY, free_bytes=332 * MIB, reserve_bytes=0)
    assert assess(used(0), given, LIMITS) == laid


def test_the_queues_own_pages_are_never_wanted_for_the_reserve():
    disk = Disk(free_bytes=20 * MIB, file_bytes=310 * MIB, wal_bytes=8 * MIB, reserve_bytes=0)
    assert assess(used(10, reusable=300), disk, LIMITS).data_room == 99 * MIB


def test_a_wal_that_has_still_to_grow_counts_as_full_grown():
    disk = replace(ROOMY, free_bytes=300 * MIB, wal_bytes=MIB)
    assert assess(used(0), disk, LIMITS).data_room == 96 * MIB


def test_a_disk_without_any_room_is_full_and_not_below_nothing():
    found = assess(used(10), replace(ROOMY, free_bytes=0, file_bytes=10 * MIB), LIMITS)
    assert (found.level, found.capacity, found.alerts_held) == (Level.FULL, 0, True)
    assert (found.room.alert_bytes, found.room.data_bytes) == (0, 0)


def test_the_words_of_the_levels_are_spelled_for_ever():
    assert [level.value for level in Level] == ["ok", "tight", "full"]
    assert [bound.value for bound in Bound] == ["budget", "disk"]


def test_each_class_has_a_budget_of_its_own_key():
    for message_class in MessageClass:
        key = message_class.value.replace("-", "_") + "_bytes_max"
        limits = msgspec.convert({key: 7 * MIB}, SpoolLimits)
        assert limits.of_class(message_class) == 7 * MIB


def test_an_alert_reserve_that_leaves_no_room_for_data_is_a_finding():
    assert budget_findings(SpoolLimits()) == []
    odd = SpoolLimits(bytes_max=100 * MIB, alert_reserve_bytes=51 * MIB)
    (finding,) = budget_findings(odd)
    assert finding.startswith("spool.alert_reserve_bytes: 53477376 is more than half")
