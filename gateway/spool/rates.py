"""What comes in and how long it may stay: what the horizon is reckoned from. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from gateway.model.contract import Contract
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool.horizon import Flow
from gateway.spool.lifetime import HOUR_MS, lifetime

WINDOW_H: Final = 24
"""A day holds every shift; the rate of an hour says little about the night."""
WHOLE_HOURS_MIN: Final = 2
SHORTEST_H: Final = 0.1
"""A burst in the first minutes shall not be taken for a rate."""


class Source(Enum):
    """Where rates come from; the values leave the process."""

    PLANNED = "planned"
    MEASURED = "measured"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rate:
    """What comes in of one class."""

    messages_per_h: float = 0.0
    bytes_per_h: float = 0.0


@dataclass(frozen=True, slots=True)
class Rates:
    """All classes. ``hours`` is how long it was measured; 0 for planned ones."""

    source: Source = Source.UNKNOWN
    hours: float = 0.0
    of: Mapping[MessageClass, Rate] = field(default_factory=dict[MessageClass, Rate])


@dataclass(frozen=True, slots=True)
class Rule:
    """What the contracts say of a class. ``kept_h`` None: until it is delivered."""

    leaves: bool = False
    kept_h: float | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What of a class waits."""

    messages: int = 0
    size_bytes: int = 0
    oldest: SiteTime | None = None


def measured(
    rows: Iterable[tuple[int, MessageClass, int, int]], now: SiteTime, began: SiteTime
) -> Rates:
    """Return the rates of ``rows``, (hour, class, messages, bytes), the hour of ``now`` included.

    ``began`` is when this process began to count. Of the first hour that is known nobody
    knows how much of it was counted, unless it is that of ``began``.
    """
    known = list(rows)
    hours = sorted({hour for hour, *_ in known})
    if not hours:
        return Rates()
    first: float = hours[0]
    if hours[0] == began // HOUR_MS:
        first = began / HOUR_MS
    elif len(hours) > 1:
        first = hours[1]
    return _over(known, int(first), max(SHORTEST_H, now / HOUR_MS - first))


def whole_hours(rows: Iterable[tuple[int, MessageClass, int, int]]) -> Rates:
    """Return the rates of the last day's whole hours, of a queue that nobody may be counting.

    Whether the first and the last known hour are whole cannot be told, so they do not count.
    """
    known = list(rows)
    hours = sorted({hour for hour, *_ in known})
    if len(hours) <= WHOLE_HOURS_MIN:
        return Rates()
    first, end = max(hours[1], hours[-1] - WINDOW_H), hours[-1]
    return _over([row for row in known if row[0] < end], first, end - first)


def _over(rows: Iterable[tuple[int, MessageClass, int, int]], first: int, spent_h: float) -> Rates:
    total: dict[MessageClass, tuple[int, int]] = {}
    for hour, message_class, messages, size in rows:
        if hour >= first:
            before = total.get(message_class, (0, 0))
            total[message_class] = before[0] + messages, before[1] + size
    return Rates(
        Source.MEASURED,
        spent_h,
        {one: Rate(count / spent_h, size / spent_h) for one, (count, size) in total.items()},
    )


def planned(bytes_per_h: Mapping[MessageClass, int], message_bytes: int) -> Rates | None:
    """Return rates that somebody planned; None when nobody did."""
    if not any(bytes_per_h.values()):
        return None
    return Rates(
        Source.PLANNED,
        0.0,
        {one: Rate(size / message_bytes, size) for one, size in bytes_per_h.items() if size},
    )


def rules(contracts: Iterable[Contract]) -> dict[MessageClass, Rule]:
    """Return the strictest of ``contracts``: the shortest retention of what may leave.

    A class that may not leave is held for its longest retention, as that takes most room.
    """
    every = list(contracts)
    found: dict[MessageClass, Rule] = {}
    for one in MessageClass:
        lives = [lifetime(contract, one, SiteTime(0)) for contract in every]
        leaving = [life for life in lives if life.leaves]
        hours = [life.expires / HOUR_MS for life in leaving or lives if life.expires is not None]
        choose = min if leaving else max
        found[one] = Rule(bool(leaving), choose(hours) if hours else None)
    return found


def flows(
    rates: Rates,
    rules_: Mapping[MessageClass, Rule],
    held: Mapping[MessageClass, Held],
    now: SiteTime,
) -> dict[MessageClass, Flow]:
    """Return what the horizon is reckoned from, as it stands at ``now``."""
    found: dict[MessageClass, Flow] = {}
    for one in MessageClass:
        rate, rule = rates.of.get(one, Rate()), rules_.get(one, Rule())
        waits = held.get(one, Held())
        found[one] = Flow(
            rate.messages_per_h,
            rate.bytes_per_h,
            rule.leaves,
            rule.kept_h,
            waits.messages,
            waits.size_bytes,
            max(0, now - waits.oldest) / HOUR_MS if waits.oldest is not None else 0.0,
        )
    return found


def settled(rates: Rates, rules_: Mapping[MessageClass, Rule]) -> dict[MessageClass, Held]:
    """Return what waits on a site that has run for long, with the cloud there all the time.

    What may leave has left; what may not lies here until its retention ends it.
    """
    found: dict[MessageClass, Held] = {}
    for one, rate in rates.of.items():
        rule = rules_.get(one, Rule())
        if not rule.leaves and rule.kept_h is not None:
            found[one] = Held(
                round(rate.messages_per_h * rule.kept_h), round(rate.bytes_per_h * rule.kept_h)
            )
    return found
