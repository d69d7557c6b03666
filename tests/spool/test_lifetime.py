"""How long a message stays, and whether it may leave, by its contract alone."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.contract import AlertRule, Contract, LogRule, MetricRule, ResultRule
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool.lifetime import HOUR_MS, Lifetime, lifetime, ranges

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
NOW = SiteTime(1_000)
CONTRACT = Contract(
    version=1,
    name="test",
    alert=AlertRule(kept_after_delivery_h=3),
    result=ResultRule(kept_h=5, rows_leave=True),
    metric=MetricRule(kept_h=7),
    log=LogRule(kept_h=9, leaves=False),
)


def until(hours: int) -> SiteTime:
    return SiteTime(NOW + hours * HOUR_MS)


@pytest.mark.parametrize(
    ("message_class", "expected"),
    [
        (ALERT, Lifetime(leaves=True, expires=None)),
        (RESULT, Lifetime(leaves=True, expires=until(5))),
        (METRIC, Lifetime(leaves=False, expires=until(7))),
        (LOG, Lifetime(leaves=False, expires=until(9))),
    ],
)
def test_each_class_follows_its_own_rule(message_class: MessageClass, expected: Lifetime):
    assert lifetime(CONTRACT, message_class, NOW) == expected


def test_an_alert_that_may_not_leave_is_kept_as_long_as_a_delivered_one():
    contract = Contract(
        version=1, name="test", alert=AlertRule(leaves=False, kept_after_delivery_h=3)
    )
    assert lifetime(contract, ALERT, NOW) == Lifetime(leaves=False, expires=until(3))


def test_a_class_that_is_kept_for_no_time_expires_at_once():
    contract = Contract(version=1, name="test", result=ResultRule(kept_h=0))
    assert lifetime(contract, RESULT, NOW) == Lifetime(leaves=False, expires=NOW)


def test_by_default_only_alerts_and_logs_leave():
    contract = Contract(version=1, name="test")
    assert [lifetime(contract, one, NOW).leaves for one in MessageClass] == [
        True,
        True,
        False,
        False,
        True,
    ]


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_exactly_their_numbers_and_touch_nowhere(numbers):
    found = ranges(sorted(numbers))
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(numbers)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(found))
