"""The minute of the site's day, by its own time zone and its own time."""

import calendar

import pytest

from gateway.app.daytime import minute_of
from tests.simulators.clock import SteppedClock


def minute(zone: str, *utc: int) -> int:
    return minute_of(SteppedClock(calendar.timegm((*utc, 0)) * 1000), zone)()


@pytest.mark.parametrize(
    ("zone", "utc", "expected"),
    [
        ("UTC", (2026, 6, 1, 12, 30), 12 * 60 + 30),
        ("Europe/Berlin", (2026, 1, 10, 21, 0), 22 * 60),
        ("Europe/Berlin", (2026, 7, 10, 20, 0), 22 * 60),  # summer time
        ("Asia/Kolkata", (2026, 7, 10, 20, 0), 90),  # tomorrow, and half an hour
        ("America/New_York", (2026, 11, 1, 6, 30), 90),  # the hour that comes twice
    ],
)
def test_windows_follow_the_clock_on_the_wall_of_the_site(zone, utc, expected):
    assert minute(zone, *utc) == expected


def test_a_wall_clock_that_jumps_opens_no_window():
    clock = SteppedClock()
    minutes = minute_of(clock, "UTC")
    before = minutes()
    clock.wall_ms += 12 * 3_600_000
    assert minutes() == before
