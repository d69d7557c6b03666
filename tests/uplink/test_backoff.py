"""Full jitter within bounds, and a cloud's wish that is honoured up to an hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.uplink.backoff import chance, delay_s, retry_after_s

DRAWN = st.floats(0, 1, exclude_max=True)


def test_the_ceiling_of_the_draw_doubles_and_then_stands():
    ceilings = [delay_s(failures, 1.0, 300, None) for failures in range(1, 12)]
    assert ceilings == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_the_whole_wait_is_drawn_and_not_a_part_of_it():
    assert delay_s(5, 0.0, 300, None) == 0
    assert delay_s(5, 0.5, 300, None) == 8


@given(st.integers(0, 10**9), DRAWN, st.floats(1, 3600))
def test_no_number_of_failures_exceeds_the_ceiling(failures, drawn, ceiling_s):
    assert 0 <= delay_s(failures, drawn, ceiling_s, None) <= ceiling_s


@given(st.integers(1, 20), DRAWN, st.floats(0, 10**9))
def test_a_wish_for_a_pause_is_never_undercut_and_never_exceeds_an_hour(failures, drawn, wish_s):
    waited_s = delay_s(failures, drawn, 300, wish_s)
    assert min(wish_s, 3600) <= waited_s <= max(3601, delay_s(failures, drawn, 300, None))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("1e9", None),
        ("١٢", None),  # digits, but not of the protocol
        ("9" * 5000, None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
    ],
)
def test_only_seconds_are_read_from_retry_after(header, seconds):
    assert retry_after_s(header) == seconds


@given(st.binary(min_size=7, max_size=9))
def test_a_chance_is_below_one(random_bytes):
    assert 0 <= chance(random_bytes) < 1


def test_chance_uses_all_of_its_range():
    assert chance(bytes(7)) == 0
    assert chance(b"\x80" + bytes(6)) == 0.5
    assert chance(b"\xff" * 7) > 0.999999
