"""What comes in, by hours that were counted, and how long contracts let it stay."""

from gateway.model.contract import AlertRule, Contract, LogRule, ResultRule
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool.horizon import Flow
from gateway.spool.lifetime import HOUR_MS
from gateway.spool.rates import (
    Held,
    Rate,
    Rates,
    Rule,
    Source,
    flows,
    measured,
    planned,
    rules,
    settled,
    whole_hours,
)

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass


def at(hour: float) -> SiteTime:
    return SiteTime(int(hour * HOUR_MS))


LONG_AGO = at(1)


def test_a_rate_is_what_came_in_since_the_first_whole_hour():
    rows = [(100, RESULT, 1, 1), (101, RESULT, 100, 5_000), (102, RESULT, 50, 2_500)]
    assert measured(rows, at(102.5), LONG_AGO) == Rates(
        Source.MEASURED, 1.5, {RESULT: Rate(150 / 1.5, 7_500 / 1.5)}
    )


def test_a_process_that_began_within_the_hour_counts_from_then_on():
    """It took the whole hour for granted, and promised fifty times too much."""
    rows = [(100, RESULT, 60, 6_000)]
    found = measured(rows, at(100.75), at(100.5))
    assert (found.hours, found.of) == (0.25, {RESULT: Rate(240, 24_000)})


def test_hours_in_which_nothing_came_count_too():
    rows = [(98, ALERT, 9, 9), (99, ALERT, 9, 9), (100, ALERT, 10, 1_000)]
    assert measured(rows, at(119), LONG_AGO).of == {ALERT: Rate(19 / 20, 1_009 / 20)}


def test_the_first_minutes_do_not_make_a_rate_without_end():
    found = measured([(100, LOG, 5, 100)], at(100.001), at(100))
    assert found.of[LOG].bytes_per_h <= 1_000


def test_without_a_count_no_rate_is_known():
    assert measured([], at(100), LONG_AGO) == Rates(Source.UNKNOWN, 0, {})
    assert whole_hours([]) == Rates(Source.UNKNOWN, 0, {})


def test_of_a_queue_that_rests_only_whole_hours_count():
    rows = [(hour, LOG, 10, 100) for hour in range(60, 100)]
    assert whole_hours(rows) == Rates(Source.MEASURED, 24, {LOG: Rate(10, 100)})
    assert whole_hours(rows[:3]) == Rates(Source.MEASURED, 1, {LOG: Rate(10, 100)})
    assert whole_hours(rows[:2]).source is Source.UNKNOWN


def test_a_plan_counts_as_soon_as_it_names_one_class():
    assert planned({ALERT: 0, LOG: 0}, 512) is None
    plan = planned({ALERT: 0, LOG: 1_024}, 512)
    assert plan == Rates(Source.PLANNED, 0, {LOG: Rate(2, 1_024)})


def test_the_strictest_of_the_contracts_that_let_a_class_leave_counts():
    long = Contract(version=1, name="a", result=ResultRule(kept_h=48, rows_leave=True))
    short = Contract(version=1, name="b", result=ResultRule(kept_h=12, rows_leave=True))
    never = Contract(version=1, name="c", result=ResultRule(kept_h=1), log=LogRule(leaves=False))
    found = rules([long, short, never])
    assert found[RESULT] == Rule(leaves=True, kept_h=12)
    assert found[METRIC] == Rule(leaves=False, kept_h=168)
    assert found[LOG] == Rule(leaves=True, kept_h=720)
    assert found[ALERT] == Rule(leaves=True, kept_h=None)


def test_alerts_that_stay_are_held_for_their_longest_retention():
    stay = [
        Contract(version=1, name=n, alert=AlertRule(leaves=False, kept_after_delivery_h=h))
        for n, h in (("a", 24), ("b", 72))
    ]
    assert rules(stay)[ALERT] == Rule(leaves=False, kept_h=72)
    assert rules([])[ALERT] == Rule(leaves=False, kept_h=None)


def test_a_flow_knows_what_waits_and_how_old_it_is():
    rates = Rates(Source.MEASURED, 24, {ALERT: Rate(1, 100)})
    held = {ALERT: Held(3, 300, at(10))}
    found = flows(rates, {ALERT: Rule(leaves=True)}, held, at(12))
    assert found[ALERT] == Flow(1, 100, leaves=True, held_messages=3, held_bytes=300, oldest_h=2.0)
    assert found[LOG] == Flow(leaves=False)


def test_what_never_leaves_lies_there_before_the_outage_begins():
    rates = Rates(Source.PLANNED, 0, {METRIC: Rate(1, 10), RESULT: Rate(1, 10)})
    by = {METRIC: Rule(leaves=False, kept_h=5), RESULT: Rule(leaves=True, kept_h=5)}
    assert settled(rates, by) == {METRIC: Held(5, 50)}
