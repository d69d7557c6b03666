"""Numbers and times as people read them."""

import pytest

from gateway.web.measures import ago, clipped, clock_time, iso, names, plural, size, span

NOON = 1_763_812_800_000  # 2025-11-22 12:00:00 UTC


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (2.9, "just now"),
        (3, "3 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3_599, "59 min ago"),
        (3_600, "1 h ago"),
        (172_799, "47 h ago"),
        (172_800, "2 days ago"),
        (10**12, "11574074 days ago"),
    ],
)
def test_an_age_is_told_in_its_largest_fitting_unit(seconds, text):
    assert ago(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (41.7, "41 s"), (190, "3 min"), (7_200, "2 h"), (200_000, "2 days")],
)
def test_a_span_is_told_in_its_largest_fitting_unit(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 KB"),
        (2_100_000, "2.1 MB"),
        (4_321 * 10**9, "4,321.0 GB"),
    ],
)
def test_a_size_is_told_with_one_decimal(count, text):
    assert size(count) == text


def test_a_count_stands_with_the_right_noun_and_thousands_apart():
    assert plural(1, "device", "devices") == "1 device"
    assert plural(1_204, "device", "devices") == "1,204 devices"


def test_a_long_list_of_names_is_counted_instead_of_told():
    assert names([], 2) == ""
    assert names(["a"], 2) == "a"
    assert names(["a", "b"], 2) == "a and b"
    assert names(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def test_a_text_of_a_device_stays_on_one_line_and_within_its_bound():
    assert clipped("one\n\ttwo", 20) == "one two"
    assert clipped("x" * 20, 20) == "x" * 20
    assert clipped("x" * 21, 20) == "x" * 19 + "…"


def test_a_time_of_another_day_is_told_with_its_date():
    assert clock_time(NOON, NOON + 60_000) == "12:00 UTC"
    assert clock_time(NOON, NOON + 86_400_000) == "22 Nov, 12:00 UTC"
    assert iso(NOON) == "2025-11-22T12:00:00Z"
