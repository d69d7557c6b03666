"""Four kinds of time that must not be mixed up.

``Instant`` measures spans, ``SiteTime`` decides, ``UnixMs`` is data, ``MonoMs`` is a
device's own boot clock. Only ``SiteTime`` and ``UnixMs`` may be stored.
"""

from typing import NewType, Protocol

Instant = NewType("Instant", float)
"""Seconds on the gateway's monotonic clock. Meaningless after a reboot: never stored."""

UnixMs = NewType("UnixMs", int)
"""Milliseconds since 1970 by somebody's wall clock. Data; never order, TTL or watermark."""

SiteTime = NewType("SiteTime", int)
"""Milliseconds that never go back: counted on from a stored floor by boot time, and moved
forward to the wall clock as far as ``identity/trusted_time.py`` believes it. TTL, retention,
watch time and budget day use only this."""

MonoMs = NewType("MonoMs", int)
"""Milliseconds since a device's boot, by that device."""


class Clock(Protocol):
    """The three clocks and the only way to wait. Tests step it by hand."""

    def now(self) -> Instant:
        """Return the monotonic instant."""
        ...

    def site(self) -> SiteTime:
        """Return the site's time, which never goes back."""
        ...

    def wall(self) -> UnixMs:
        """Return what the wall clock says, right or wrong."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of monotonic time."""
        ...
