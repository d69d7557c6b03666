"""One device's flood, and what it takes from the others: nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.limits import IntakeLimits
from gateway.intake.share import ACCOUNTS_MAX, ATTRIBUTED_ROUNDS, Shares
from gateway.model.identity import DeviceId
from gateway.model.time import Instant

LIMITS = IntakeLimits(window=50, device_messages_per_s=2, device_bytes_per_s=1_024)
BURST = 2 * 3_600
LOUD, QUIET = DeviceId("loud-01"), DeviceId("quiet-01")


def flood(shares: Shares, number: int, at: float = 0.0, size: int = 1, **how: object) -> int:
    """Send ``number`` messages that nobody takes out of the inbox; how many came in?"""
    return sum(
        shares.enter(LOUD, size, 1, Instant(at), repeats=bool(how.get("repeats", True)))
        for _ in range(number)
    )


def pour(shares: Shares, number: int, at: float, size: int = 1) -> int:
    """Send ``number`` messages that are taken at once; how many came in?"""
    count = 0
    for _ in range(number):
        if shares.enter(LOUD, size, 1, Instant(at)):
            shares.leave(LOUD)
            count += 1
    return count


def test_who_keeps_the_window_is_never_refused_however_slow_the_gateway():
    shares = Shares(LIMITS)
    assert flood(shares, LIMITS.window) == LIMITS.window
    assert flood(shares, LIMITS.window, at=1) == LIMITS.window  # and all of it sent again


def test_a_flood_fills_only_its_own_part_of_the_inbox():
    shares = Shares(LIMITS)
    assert flood(shares, 10_000) == 2 * LIMITS.window
    assert shares.enter(QUIET, 1, 1, Instant(0))


def test_what_was_taken_makes_room_again():
    shares = Shares(LIMITS)
    flood(shares, 1_000)
    shares.leave(LOUD)
    assert flood(shares, 1_000) == 1


def test_what_cannot_be_sent_again_may_come_as_a_backlog_from_the_broker():
    shares = Shares(LIMITS)
    assert flood(shares, 5_000, repeats=False) == 5_000
    assert not any(shares.enter(LOUD, 1, 0, Instant(0), repeats=False) for _ in range(9))


def test_an_outbox_of_an_hour_passes_and_then_the_rate_holds():
    shares = Shares(LIMITS)
    assert pour(shares, 2 * BURST, 0) == BURST
    assert pour(shares, 100, 10) == 20
    assert pour(shares, 2 * BURST, 10_000_000) == BURST


def test_bytes_are_bounded_like_messages_and_one_large_message_passes():
    shares = Shares(LIMITS)
    assert pour(shares, 3, 0, size=BURST * 1_024) == 1
    assert pour(shares, 3, 1, size=1) == 0, "in debt until an hour has passed"
    assert pour(shares, 3, 1_900, size=1) == 0
    assert pour(shares, 3, 3_601, size=1) == 3


def test_a_clock_that_stands_still_or_steps_back_mints_nothing():
    shares = Shares(LIMITS)
    pour(shares, BURST, 100)
    assert pour(shares, 100, 50) == 0
    assert pour(shares, 100, 100) == 0


def test_an_honest_device_is_never_called_over():
    """All of its window is refused each second, and sent again a second later."""
    shares = Shares(LIMITS)
    pour(shares, BURST, 0)
    for second in range(1, 60):
        flood(shares, LIMITS.window, at=0)
        found = shares.turn()
        assert found.over == {}, second
        assert found.limited == {LOUD: second}


def test_a_flood_is_over_second_after_second_and_a_calm_one_ends_it():
    shares = Shares(LIMITS)
    for second in range(1, 5):
        flood(shares, 1_000)
        assert shares.turn().over == {LOUD: second}
    assert shares.turn().over == {}
    flood(shares, 1_000)
    assert shares.turn().over == {LOUD: 1}


def test_a_flood_of_large_messages_is_over_by_its_bytes():
    shares = Shares(LIMITS)
    flood(shares, 200, size=400_000)
    assert shares.turn().over == {LOUD: 1}


def test_what_a_cut_off_device_still_sends_counts_as_refused():
    shares = Shares(LIMITS)
    for _ in range(101):
        shares.refuse(LOUD, 5, Instant(0))
    found = shares.turn()
    assert (found.over, found.traffic[LOUD].refused_bytes) == ({LOUD: 1}, 505)


def test_the_traffic_of_the_last_minute_is_told_by_device():
    shares = Shares(LIMITS)
    flood(shares, 94)
    for _ in range(6):
        shares.enter(QUIET, 10, 0, Instant(0))
    shares.turn()
    told = shares.attribution()
    assert [(name, one.messages) for name, one in told.items()] == [(LOUD, 94), (QUIET, 6)]
    assert (told[QUIET].bytes, told[QUIET].at_most_once) == (60, 6)
    for _ in range(ATTRIBUTED_ROUNDS):
        shares.turn()
    assert shares.attribution() == {}


def test_a_device_that_was_quiet_for_long_is_forgotten_and_a_debtor_is_not():
    shares = Shares(LIMITS)
    pour(shares, BURST, 0)
    shares.enter(QUIET, 1, 1, Instant(0))
    shares.leave(QUIET)
    shares.turn()
    shares.turn()
    assert list(shares.accounts) == [LOUD]


def test_names_that_nobody_knows_cannot_take_the_memory():
    shares = Shares(LIMITS)
    for number in range(3 * ACCOUNTS_MAX):
        shares.enter(DeviceId(f"x-{number}"), 1, 1, Instant(0))
    assert len(shares.accounts) <= ACCOUNTS_MAX + 1


@pytest.mark.parametrize("qos", [0, 1])
def test_qos_0_is_counted_and_enters_like_any_other(qos: int):
    shares = Shares(LIMITS)
    assert shares.enter(LOUD, 1, qos, Instant(0))
    assert shares.turn().traffic[LOUD].at_most_once == 1 - qos


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200), st.integers(0, 3))))
def test_no_device_ever_holds_more_than_its_part(story: list[tuple[str, int, int]]):
    shares = Shares(LIMITS)
    held = dict.fromkeys("abc", 0)
    for name, sends, takes in story:
        for _ in range(sends):
            held[name] += shares.enter(DeviceId(name), 1, 1, Instant(0))
        for _ in range(min(takes, held[name])):
            shares.leave(DeviceId(name))
            held[name] -= 1
        assert max(held.values()) <= 2 * LIMITS.window
