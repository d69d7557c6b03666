"""The machine's clocks, as far as they can be asked without waiting."""

from gateway.app.clock import SystemClock
from gateway.identity.limits import DAY_MS
from gateway.model.time import SiteTime, UnixMs

YEAR_MS = 365 * DAY_MS
MINUTE_MS = 60_000
NOW_MS = 1_800_000_000_000


class Wall:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms * 1_000_000


def about(clock: SystemClock, expected_ms: int) -> bool:
    return expected_ms <= clock.site() < expected_ms + MINUTE_MS


async def test_waiting_for_no_time_or_a_negative_time_returns():
    clock = SystemClock(SiteTime(0))
    await clock.sleep(0)
    await clock.sleep(-5)


def test_no_clock_runs_backwards():
    clock = SystemClock(SiteTime(0))
    reads = [(clock.now(), clock.site()) for _ in range(100)]
    assert reads == sorted(reads)


def test_a_wall_clock_that_leaps_a_year_ahead_does_not_move_site_time():
    wall = Wall()
    clock = SystemClock(SiteTime(NOW_MS), wall)
    assert clock.adjust() is None
    wall.ms += YEAR_MS
    assert clock.adjust() is not None
    assert about(clock, NOW_MS)
    wall.ms -= YEAR_MS
    assert clock.adjust() is None
    assert about(clock, NOW_MS)


def test_a_gateway_that_was_off_over_the_weekend_goes_on_with_the_right_time():
    wall = Wall()
    wall.ms += 3 * DAY_MS
    clock = SystemClock(SiteTime(NOW_MS), wall)
    assert clock.adjust() is None
    assert about(clock, NOW_MS + 3 * DAY_MS)


def test_a_clock_without_a_battery_goes_on_from_the_floor_and_follows_when_it_is_set():
    wall = Wall()
    wall.ms = 0
    clock = SystemClock(SiteTime(NOW_MS), wall)
    assert clock.adjust() is not None
    assert about(clock, NOW_MS)
    wall.ms = NOW_MS + DAY_MS
    assert clock.adjust() is None
    assert about(clock, NOW_MS + DAY_MS)


def test_the_clouds_word_confirms_a_clock_that_shows_the_same():
    wall = Wall()
    wall.ms += YEAR_MS
    clock = SystemClock(SiteTime(NOW_MS), wall)
    clock.witness(UnixMs(NOW_MS))  # it shows another time: no confirmation
    assert clock.adjust() is not None
    clock.witness(UnixMs(wall.ms + MINUTE_MS))
    assert clock.adjust() is None
    assert about(clock, NOW_MS + YEAR_MS)


def test_what_the_cloud_confirmed_before_a_leap_does_not_confirm_the_leap():
    wall = Wall()
    clock = SystemClock(SiteTime(NOW_MS), wall)
    clock.witness(UnixMs(wall.ms))
    wall.ms += YEAR_MS
    assert clock.adjust() is not None
    assert about(clock, NOW_MS)


def test_an_operators_word_confirms_the_clock_as_it_is():
    wall = Wall()
    wall.ms += YEAR_MS
    clock = SystemClock(SiteTime(NOW_MS), wall)
    clock.confirm()
    assert clock.adjust() is None
    assert about(clock, NOW_MS + YEAR_MS)
