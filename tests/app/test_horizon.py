"""The horizon of a site: what its settings and its disk leave room for, and for whom."""

from gateway.app.horizon import DATA, rooms
from gateway.model.outcome import MessageClass
from gateway.spool.budget import ROW_BYTES, Bound, Disk, Level, Usage, assess
from gateway.spool.horizon import Flow, horizon
from gateway.spool.limits import MIB, SpoolLimits

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
LIMITS = SpoolLimits(bytes_max=100 * MIB, alert_reserve_bytes=20 * MIB)


def test_data_may_not_use_what_is_reserved_for_alerts_and_alerts_may_use_all():
    pools = rooms(LIMITS, 100 * MIB, Bound.BUDGET)
    by_class = horizon({one: Flow(bytes_per_h=MIB) for one in (ALERT, RESULT)}, pools)
    assert by_class[RESULT].hours == 50, "with as many alerts beside it"
    # Data ends where the largest message would no longer fit: 80 MiB less half a one.
    assert horizon({RESULT: Flow(bytes_per_h=MIB)}, pools)[RESULT].hours == 79.5
    assert by_class[ALERT].hours == 100
    assert by_class[RESULT].pool == by_class[ALERT].pool == "spool.bytes_max"


def test_each_class_has_its_own_setting_and_a_message_its_row():
    pools = rooms(SpoolLimits(log_bytes_max=MIB), 1 << 40, Bound.DISK)
    found = horizon({LOG: Flow(messages_per_h=1, bytes_per_h=MIB - ROW_BYTES)}, pools)
    assert (found[LOG].hours, found[LOG].pool) == (1, "spool.log_bytes_max")


def test_the_horizon_ends_where_the_room_that_is_kept_really_ends():
    """The formula says how many bytes fit; the budget is asked at that size, and just above."""
    pools = rooms(LIMITS, LIMITS.bytes_max, Bound.BUDGET)
    hours = horizon({RESULT: Flow(bytes_per_h=MIB)}, pools)[RESULT].hours
    assert hours is not None
    for size, level in ((hours * MIB, Level.TIGHT), (hours * MIB + 1, Level.FULL)):
        usage = Usage({RESULT: int(size)}, int(size), 0)
        disk = Disk(1 << 40, int(size), 0, LIMITS.state_reserve_bytes)
        assert assess(usage, disk, LIMITS).level is level


def test_every_class_has_a_pool_of_its_own_and_shares_the_whole():
    pools = rooms(LIMITS, 1, Bound.DISK)
    for one in MessageClass:
        mine = [pool.name for pool in pools if one in pool.classes]
        shared = ["free disk space"] * (2 if one in DATA else 1)
        assert mine == [*shared, f"spool.{one.value.replace('-', '_')}_bytes_max"]
