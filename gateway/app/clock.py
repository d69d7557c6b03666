"""The one place that reads the machine's clocks."""

import asyncio
import time
from collections.abc import Callable

from gateway.identity.trusted_time import agree, begin, believe
from gateway.model.problem import Raised
from gateway.model.time import Instant, SiteTime, UnixMs

WAIT_MOST_S = 86_400.0


def system_wall_ns() -> int:
    """Return what the machine's wall clock says: Unix time in nanoseconds."""
    return time.time_ns()


class SystemClock:
    """The machine's clocks, with a floor below which site time never starts.

    ``wall_ns`` is the wall clock: Unix time in nanoseconds.
    """

    def __init__(self, floor: SiteTime, wall_ns: Callable[[], int] = system_wall_ns) -> None:
        self._wall_ns = wall_ns
        self._agreed_ms: int | None = None
        """The wall clock's distance from boot time when somebody agreed with it."""
        self._go_on_from(begin(floor, self.wall()))

    def now(self) -> Instant:
        """Return the monotonic instant."""
        return Instant(time.monotonic())

    def site(self) -> SiteTime:
        """Return the site's time, advanced by boot time, which counts suspends too."""
        return SiteTime(self._site_less_boot_ms + _boot_ms())

    def wall(self) -> UnixMs:
        """Return what the wall clock says, right or wrong."""
        return UnixMs(self._wall_ns() // 1_000_000)

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of monotonic time."""
        await asyncio.sleep(min(max(0.0, seconds), WAIT_MOST_S))

    def adjust(self) -> Raised | None:
        """Let site time follow the wall clock as far as that is believed; say what is not."""
        # What was agreed holds for the clock as it ran then: one that leaps is asked anew.
        agreed = self._agreed_ms is not None and agree(self.wall(), self._agreed_now())
        belief = believe(self.site(), self.wall(), agreed=agreed)
        if belief.site > self.site():
            self._go_on_from(belief.site)
        return belief.doubt

    def witness(self, said: UnixMs) -> None:
        """Hear what time it is elsewhere, from somebody who proved to be who they are."""
        if agree(self.wall(), said):
            self.confirm()

    def confirm(self) -> None:
        """Take an operator's word that the wall clock is right."""
        self._agreed_ms = self.wall() - _boot_ms()

    def _agreed_now(self) -> UnixMs:
        return UnixMs((self._agreed_ms or 0) + _boot_ms())

    def _go_on_from(self, site: SiteTime) -> None:
        self._site_less_boot_ms = site - _boot_ms()


def _boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
