"""A clock that stands still until a test steps it."""

import asyncio

from gateway.model.time import Instant, SiteTime, UnixMs

SETTLE_ROUNDS = 50
"""Turns of the event loop before time goes on: whoever can run without waiting has run."""


class SteppedClock:
    """Implements ``model.time.Clock``. Sleepers wake in the order of their deadlines.

    ``wall`` can be set by a test at will; ``now`` and ``site`` only go forward.
    """

    def __init__(self, wall_ms: int = 1_790_000_000_000) -> None:
        self.wall_ms = wall_ms
        self._site_ms = wall_ms
        self._elapsed_s = 0.0
        self._sleepers: dict[asyncio.Future[None], float] = {}
        self._changed = asyncio.Event()

    def now(self) -> Instant:
        return Instant(self._elapsed_s)

    def site(self) -> SiteTime:
        return SiteTime(self._site_ms + round(self._elapsed_s * 1000))

    def wall(self) -> UnixMs:
        return UnixMs(self.wall_ms + round(self._elapsed_s * 1000))

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        self._sleepers[future] = self._elapsed_s + seconds
        self._changed.set()
        try:
            await future
        finally:
            del self._sleepers[future]

    async def asleep(self) -> float:
        """Wait until somebody sleeps; return the seconds until the first of them wakes."""
        while not self._sleepers:
            self._changed.clear()
            await self._changed.wait()
        return min(self._sleepers.values()) - self._elapsed_s

    def skip(self, seconds: float) -> None:
        """Let ``seconds`` pass where nobody sleeps."""
        self._elapsed_s += seconds

    def sleepers(self) -> list[float]:
        """Return the seconds until each sleeper wakes, who was woken already left out."""
        return [at - self._elapsed_s for f, at in self._sleepers.items() if not f.done()]

    async def step(self, seconds: float) -> None:
        """Let ``seconds`` pass, waking each sleeper at its own time."""
        end_s = self._elapsed_s + seconds
        await self._settle()
        while due := [f for f, at in self._sleepers.items() if at <= end_s and not f.done()]:
            first = min(due, key=self._sleepers.__getitem__)
            self._elapsed_s = max(self._elapsed_s, self._sleepers[first])
            first.set_result(None)
            await self._settle()
        self._elapsed_s = end_s

    async def _settle(self) -> None:
        for _ in range(SETTLE_ROUNDS):
            await asyncio.sleep(0)
