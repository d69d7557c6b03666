"""The one place that reads the machine's clocks."""

import asyncio
import time

from gateway.model.time import Instant, SiteTime, UnixMs

WAIT_MOST_S = 86_400.0


class SystemClock:
    """The machine's clocks, with a floor below which site time never starts."""

    def __init__(self, floor: SiteTime) -> None:
        self._site_base_ms = max(floor, time.time_ns() // 1_000_000)
        self._boot_base_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def now(self) -> Instant:
        """Return the monotonic instant."""
        return Instant(time.monotonic())

    def site(self) -> SiteTime:
        """Return the site's time, advanced by boot time, which counts suspends too."""
        passed_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - self._boot_base_ns
        return SiteTime(self._site_base_ms + passed_ns // 1_000_000)

    def wall(self) -> UnixMs:
        """Return what the wall clock says, right or wrong."""
        return UnixMs(time.time_ns() // 1_000_000)

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of monotonic time."""
        await asyncio.sleep(min(max(0.0, seconds), WAIT_MOST_S))
