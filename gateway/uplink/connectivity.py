"""How the uplink stands: one table of every move, and one function to make it.

``online``         the last batch was answered as the protocol has it
``degraded``       a try failed, or none was made yet; it may pass by itself
``offline``        nothing gets through: no answer while degraded, or a minute of failures
``misconfigured``  a person has to change something
``off``            no cloud is configured

Only an answer of the protocol leads back to ``online``: a portal that begins to answer
while we are offline is no cloud.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.model.time import SiteTime
from gateway.uplink.answer import BackOff, Delivered, Misconfigured, Park, Verdict


class Link(Enum):
    """The values appear on the page and in ``status --json``, so they stay as they are."""

    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    MISCONFIGURED = "misconfigured"
    OFF = "off"


class Event(Enum):
    """What a try to send has shown about the way to the cloud."""

    TAKEN = "taken"  # delivered, or refused for its content: the way is free
    TROUBLED = "troubled"  # something answered, but not as it should
    SILENT = "silent"  # nothing answered
    TURNED_AWAY = "turned away"  # only a person can change this


FAILING_MAX_S: Final = 60
"""So long may tries fail before ``degraded`` is called what it is, ``offline``."""

# Every move that exists. OFF has none: without a cloud nothing is tried.
MOVES: Final[dict[tuple[Link, Event], Link]] = {
    (Link.ONLINE, Event.TAKEN): Link.ONLINE,
    (Link.ONLINE, Event.TROUBLED): Link.DEGRADED,
    (Link.ONLINE, Event.SILENT): Link.DEGRADED,
    (Link.ONLINE, Event.TURNED_AWAY): Link.MISCONFIGURED,
    (Link.DEGRADED, Event.TAKEN): Link.ONLINE,
    (Link.DEGRADED, Event.TROUBLED): Link.DEGRADED,
    (Link.DEGRADED, Event.SILENT): Link.OFFLINE,
    (Link.DEGRADED, Event.TURNED_AWAY): Link.MISCONFIGURED,
    (Link.OFFLINE, Event.TAKEN): Link.ONLINE,
    (Link.OFFLINE, Event.TROUBLED): Link.OFFLINE,
    (Link.OFFLINE, Event.SILENT): Link.OFFLINE,
    (Link.OFFLINE, Event.TURNED_AWAY): Link.MISCONFIGURED,
    (Link.MISCONFIGURED, Event.TAKEN): Link.ONLINE,
    (Link.MISCONFIGURED, Event.TROUBLED): Link.OFFLINE,
    (Link.MISCONFIGURED, Event.SILENT): Link.OFFLINE,
    (Link.MISCONFIGURED, Event.TURNED_AWAY): Link.MISCONFIGURED,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A state, since when, and what a person should read about it.

    ``failures`` counts tries in a row that brought nothing, ``failing_since`` is the
    first of them. ``last_error`` stays after a recovery, as history.
    """

    link: Link
    since: SiteTime
    last_error: str = ""
    failures: int = 0
    failing_since: SiteTime | None = None


def start(now: SiteTime, *, configured: bool) -> Standing:
    """Return how the uplink stands before the first try."""
    return Standing(Link.DEGRADED if configured else Link.OFF, now)


def advance(standing: Standing, verdict: Verdict, now: SiteTime) -> Standing:
    """Return how the uplink stands after a try that ended with ``verdict``.

    Raises:
        ValueError: the uplink is off, so nothing can have been tried (a bug).
    """
    event, reason = _shown_by(verdict)
    link = MOVES.get((standing.link, event))
    if link is None:
        msg = f"a try was {event.value} while the uplink is {standing.link.value}"
        raise ValueError(msg)
    if event is Event.TAKEN:
        since = standing.since if link is standing.link else now
        return Standing(link, since, reason or standing.last_error)

    failing_since = now if standing.failing_since is None else standing.failing_since
    if link is Link.DEGRADED and now - failing_since >= FAILING_MAX_S * 1000:
        link = Link.OFFLINE
    since = standing.since if link is standing.link else now
    return Standing(link, since, reason, standing.failures + 1, failing_since)


def _shown_by(verdict: Verdict) -> tuple[Event, str]:
    match verdict:
        case Delivered():
            return Event.TAKEN, ""
        case Park(reason):
            return Event.TAKEN, reason
        case Misconfigured(reason):
            return Event.TURNED_AWAY, reason
        case BackOff(reason, answered):
            return Event.TROUBLED if answered else Event.SILENT, reason
