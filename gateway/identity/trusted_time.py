"""How far site time follows the wall clock. Pure.

Site time never goes back, so a wall clock that is believed once while it shows 2096 keeps
the site there for good: everything that waits would be too old to be kept. A clock that was
never set shows 1970. So site time runs on by itself, and

* a wall clock that is a little ahead is followed: the gateway was off over a weekend,
* one that is far ahead is believed only when somebody else agrees: the cloud, whose answer
  came over a connection that it proved its name on, or an operator,
* one that is behind is never followed. Site time waits for it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.identity.limits import CLOCK_FLOOR_MS, DAY_MS
from gateway.identity.problems import CLOCK_DOUBTFUL
from gateway.model.problem import Raised
from gateway.model.time import SiteTime, UnixMs

LEAP_MAX_MS: Final = 4 * DAY_MS
"""A long weekend. What a wrong clock can do within it is to end retention so much early."""
BEHIND_MAX_MS: Final = 3_600_000
"""A clock that is so far behind refuses certificates that are valid, or soon will."""
AGREEMENT_MS: Final = 3_600_000
"""Two clocks that differ by no more say the same."""
SUBJECT: Final = "clock"


@dataclass(frozen=True, slots=True)
class Belief:
    """Where site time goes on from, and what is wrong with the wall clock, if anything."""

    site: SiteTime
    doubt: Raised | None = None


def begin(floor: SiteTime, wall: UnixMs) -> SiteTime:
    """Return site time at a start. ``floor`` is the stored one, 0 at the first start of a site.

    The first start has nothing to compare with, and takes any time at which this program
    can exist.
    """
    if floor == 0:
        return SiteTime(max(CLOCK_FLOOR_MS, wall))
    return floor


def believe(site: SiteTime, wall: UnixMs, *, agreed: bool) -> Belief:
    """Return how site time goes on. ``agreed``: somebody else has said that ``wall`` is right."""
    if wall < site - BEHIND_MAX_MS:
        return Belief(site, _doubt(wall, site, "behind"))
    if wall > site + LEAP_MAX_MS and not agreed:
        return Belief(site, _doubt(wall, site, "ahead of"))
    return Belief(SiteTime(max(site, wall)))


def agree(wall: UnixMs, witness: UnixMs) -> bool:
    """Say whether another clock shows the same time."""
    return abs(wall - witness) <= AGREEMENT_MS


def _doubt(wall: UnixMs, site: SiteTime, where: str) -> Raised:
    detail = f"it shows {_text(wall)} and is {where} the site's own time, {_text(site)}"
    return Raised(CLOCK_DOUBTFUL, SUBJECT, detail)


def _text(moment_ms: int) -> str:
    try:
        return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "no date at all"
