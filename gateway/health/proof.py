"""Retention, proved: which entries say what was deleted, under which contract, up to when. Pure.

Deletion is one transaction in ``spool.db``, its entry another in ``state.db``, and a crash
may fall between. The queue's own tally is exact, so an entry carries the total that it
reaches, and the next one is the difference: no deletion goes unsaid and none is said twice.
What a crash takes is only under which contract it was.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.model.time import SiteTime

EVERYTHING: Final = "all"
"""The subject of the entry that a day has even when nothing was due: retention ran."""
DAY_MS: Final = 86_400_000

Detail = dict[str, int | str]


@dataclass(frozen=True, slots=True)
class Expired:
    """Messages of one class and contract that outlived their retention."""

    message_class: str
    contract: str
    messages: int


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is past its retention and still there: nothing, but for what lies in sealed batches."""

    left: int
    in_batches: int


def proofs(
    totals: Mapping[str, int],
    before: Mapping[str, tuple[int, SiteTime]],
    expired: Iterable[Expired],
    until: SiteTime,
) -> Iterator[tuple[str, Detail]]:
    """Yield (class, detail) of each entry that is due.

    ``totals`` is the queue's tally of expired messages by class, ``before`` the total and
    the time that the last entry of the class reached, ``expired`` what this process saw go.
    """
    seen = list(expired)
    for name, total in sorted(totals.items()):
        reached, since = before.get(name, (0, SiteTime(0)))
        if total < reached:
            reached = 0  # another queue, which began to count anew
        unsaid = total - reached
        at = reached
        for one in seen:
            messages = min(one.messages, unsaid) if one.message_class == name else 0
            if messages:
                unsaid, at = unsaid - messages, at + messages
                yield name, _detail(messages, since, until, at) | {"contract": one.contract}
        if unsaid:
            why = "of a parked batch, or the gateway ended before it said under which contract"
            yield name, _detail(unsaid, since, until, total) | {"contract": "", "why": why}


def daily(
    last: SiteTime | None, now: SiteTime, until: SiteTime, remaining: Remaining
) -> Detail | None:
    """Return the day's entry where the last one was made a day ago or never."""
    if last is not None and now - last < DAY_MS:
        return None
    return {"until_ms": until, "left": remaining.left, "in_batches": remaining.in_batches}


def _detail(messages: int, since: SiteTime, until: SiteTime, total: int) -> Detail:
    return {"messages": messages, "since_ms": since, "until_ms": until, "total": total}
