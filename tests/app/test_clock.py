"""The machine's clocks, as far as they can be asked without waiting."""

from gateway.app.clock import SystemClock
from gateway.model.time import SiteTime


async def test_waiting_for_no_time_or_a_negative_time_returns():
    clock = SystemClock(SiteTime(0))
    await clock.sleep(0)
    await clock.sleep(-5)


def test_no_clock_runs_backwards():
    clock = SystemClock(SiteTime(0))
    reads = [(clock.now(), clock.site()) for _ in range(100)]
    assert reads == sorted(reads)
