"""The published order in which messages are given up."""

from gateway.model.outcome import MessageClass
from gateway.spool.budget import Assessment, Bound, Level, Usage
from gateway.spool.limits import MIB, SpoolLimits
from gateway.spool.shedding import ORDER, Wish, plan

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
LIMITS = SpoolLimits(
    bytes_max=1_000 * MIB,
    alert_bytes_max=100 * MIB,
    metric_bytes_max=200 * MIB,
    alert_reserve_bytes=50 * MIB,
)


def full(data_room: int, *, bound: Bound = Bound.BUDGET, capacity: int = 0) -> Assessment:
    return Assessment(Level.FULL, bound, data_room, MIB, capacity, alerts_held=False)


def holding(**mib: int) -> Usage:
    waiting = {MessageClass(name.replace("_", "-")): size * MIB for name, size in mib.items()}
    return Usage(waiting, sum(waiting.values()), 0)


EVERYTHING = holding(alert=50, error_log=10, result=10, metric=10, log=10)


def test_telemetry_is_shed_in_the_published_order_and_alerts_never_for_room():
    assert [one.value for one in ORDER] == ["metric", "log", "result", "error-log"]
    found = plan(EVERYTHING, full(-35 * MIB), LIMITS)
    assert [(wish.message_class, wish.size_bytes // MIB) for wish in found] == [
        (METRIC, 10),
        (LOG, 10),
        (RESULT, 10),
        (ERROR_LOG, 5),
    ]
    assert plan(holding(alert=50), full(-35 * MIB), LIMITS) == ()


def test_a_class_pays_only_what_those_before_it_could_not():
    (wish,) = plan(EVERYTHING, full(-5 * MIB), LIMITS)
    assert (wish.message_class, wish.why) == (METRIC, "budget")
    (wish,) = plan(holding(alert=50, error_log=9), full(-5 * MIB, bound=Bound.DISK), LIMITS)
    assert (wish.message_class, wish.why) == (ERROR_LOG, "disk")


def test_a_little_more_is_shed_than_is_missing():
    (wish,) = plan(EVERYTHING, full(0, capacity=100 * MIB), LIMITS)
    assert wish == Wish(METRIC, 2 * MIB + 1, "budget")


def test_nothing_is_shed_while_devices_are_only_asked_to_hold_back():
    for level in (Level.OK, Level.TIGHT):
        assessment = Assessment(level, Bound.BUDGET, 1, MIB, 100 * MIB, alerts_held=False)
        assert plan(EVERYTHING, assessment, LIMITS) == ()


def test_a_class_above_its_own_budget_gives_up_its_oldest_though_there_is_room():
    roomy = Assessment(Level.OK, Bound.BUDGET, MIB, MIB, 100 * MIB, alerts_held=False)
    found = plan(holding(metric=210, result=500), roomy, LIMITS)
    assert found == (Wish(METRIC, 10 * MIB + 4 * MIB, "class-budget"),)


def test_alerts_go_only_where_an_operator_has_set_their_budget_below_what_waits():
    roomy = Assessment(Level.OK, Bound.BUDGET, MIB, MIB, 100 * MIB, alerts_held=True)
    assert plan(holding(alert=100), roomy, LIMITS) == ()
    assert plan(holding(alert=101), roomy, LIMITS) == (Wish(ALERT, MIB, "class-budget"),)
