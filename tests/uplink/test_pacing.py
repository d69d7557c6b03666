"""Bytes a second: what leaves over any time, and what alerts may owe."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.time import Instant
from gateway.uplink.pacing import ALERTS_OWE_MAX_S, Debt


def at(seconds: float, owed_bytes: float = 0) -> Debt:
    return Debt(Instant(seconds), owed_bytes)


def test_a_batch_leaves_at_once_and_the_next_when_it_is_paid():
    debt = at(0).spent(5_000, 1_000, alert=False)
    assert debt.wait_s(1_000) == 5
    assert debt.paid(1_000, Instant(2)).wait_s(1_000) == 3
    assert debt.paid(1_000, Instant(6)).wait_s(1_000) == 0


def test_a_line_without_limit_owes_nothing():
    debt = at(0).spent(5_000, 0, alert=False)
    assert debt == at(0)
    assert at(0, 9_999).paid(0, Instant(1)).wait_s(0) == 0


def test_a_clock_that_steps_back_pays_nothing():
    assert at(10, 500).paid(1_000, Instant(3)) == at(10, 500)


def test_alerts_owe_like_others_but_never_longer_than_a_minute():
    debt = at(0)
    for _ in range(1_000):
        debt = debt.spent(1_000, 100, alert=True)
    assert debt.wait_s(100) == ALERTS_OWE_MAX_S
    huge = at(0).spent(50_000, 100, alert=False)
    assert huge.spent(1_000, 100, alert=True) == huge  # nothing is forgiven either


SIZES = st.lists(st.integers(1, 50_000), min_size=1, max_size=30)


@given(SIZES, st.integers(1, 10_000))
def test_over_any_time_no_more_leaves_than_the_rate_and_one_batch(sizes, rate):
    now, debt = 0.0, at(0)
    left: list[tuple[float, int]] = []
    for size in sizes:
        now += debt.wait_s(rate)
        debt = debt.paid(rate, Instant(now)).spent(size, rate, alert=False)
        left.append((now, size))
    for first, (begin, _) in enumerate(left):
        for last in range(first, len(left)):
            sent = sum(size for _, size in left[first:last])  # what left before the last began
            assert sent <= (left[last][0] - begin) * rate * (1 + 1e-6) + 1
