"""A device that sends far too much is cut off for a while, and for longer each time. Pure.

One table of every move. ``CUT`` is the quarantined role: the device may still say its
status. If it floods even that, it is ``MUTED``: no role at all. Only time releases it, and
what it did is forgotten after a day of peace. The caller stores the new ``Noisy`` and then
tells the broker; told twice, the broker does the same.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.intake.limits import IntakeLimits
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime

FORGOTTEN_MS: Final = 86_400_000


class Phase(Enum):
    """Where a device stands."""

    FREE = "free"
    CUT = "cut"
    MUTED = "muted"


class Event(Enum):
    """What happens to it."""

    OVER = "over"
    """Refused more than any window explains, for ``noisy_after_s``."""
    RELEASE_DUE = "release-due"


# Every move that exists. What is absent changes nothing.
MOVES: Final[dict[tuple[Phase, Event], Phase]] = {
    (Phase.FREE, Event.OVER): Phase.CUT,
    (Phase.CUT, Event.OVER): Phase.MUTED,
    (Phase.CUT, Event.RELEASE_DUE): Phase.FREE,
    (Phase.MUTED, Event.RELEASE_DUE): Phase.FREE,
}


@dataclass(frozen=True, slots=True)
class Noisy:
    """A device that was cut off, ``times`` in a row; ``until`` may be past."""

    device: DeviceId
    times: int
    since: SiteTime
    until: SiteTime
    phase: Phase = Phase.CUT

    def forgotten(self, now: SiteTime) -> bool:
        """Tell whether a day of peace has passed since its release."""
        return now >= self.until + FORGOTTEN_MS

    def due(self, now: SiteTime) -> bool:
        """Tell whether it is to be released."""
        return self.phase is not Phase.FREE and now >= self.until


def advance(
    device: DeviceId, known: Noisy | None, event: Event, now: SiteTime, limits: IntakeLimits
) -> Noisy | None:
    """Return where ``device`` stands after ``event``; None where it changes nothing."""
    before = Phase.FREE if known is None else known.phase
    phase = MOVES.get((before, event))
    if phase is None:
        return None
    if known is None or (phase is Phase.CUT and known.forgotten(now)):
        return Noisy(device, 1, now, _until(1, now, limits), phase)
    if phase is Phase.CUT:
        times = known.times + 1
        return Noisy(device, times, now, _until(times, now, limits), phase)
    return Noisy(device, known.times, known.since, known.until, phase)


def _until(times: int, now: SiteTime, limits: IntakeLimits) -> SiteTime:
    pause_s = min(limits.noisy_most_s, limits.noisy_first_s * 2 ** min(times - 1, 30))
    return SiteTime(now + pause_s * 1000)
