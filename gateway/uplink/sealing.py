"""Which of the waiting messages go into the next batch, or when to ask again.

A batch holds one class under one contract. A message waits until its batch is full or its
oldest companion is old enough: small batches cost bytes, and one message a batch would tell
when a device spoke.

What came within ``live_within_s`` is live, what is older is backlog: an outage, or a line
slower than the site, has left it. Rules, from the strongest:

1. A live alert goes first; after one, one other batch may pass when the backlog is owed it.
2. While both wait, the backlog gets ``backlog_share_percent`` of the bytes, the rest is for
   what is live: so live data is not stuck behind hours of backlog, and the backlog moves.
3. Within each, alerts come first, then error logs, results and other logs; and a class that
   waited ``OVERDUE`` times its age takes every second turn.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.uplink.batch import Bounds, bounds, fill
from gateway.uplink.limits import UplinkLimits

ORDER: Final = (
    MessageClass.ALERT,
    MessageClass.ERROR_LOG,
    MessageClass.RESULT,
    MessageClass.LOG,
)
"""Metrics are absent: they leave as aggregates, never in a batch of rows."""
OVERDUE: Final = 3
"""A batch whose oldest message waited so many times its class's age goes between others."""
OWED_BATCHES_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Held:
    """A message that may leave, as far as sealing needs to know it."""

    message_id: int
    message_class: MessageClass
    contract_sha256: str
    received: SiteTime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Turns:
    """What has been sealed so far, as far as it decides who is next.

    ``owed_bytes`` is what the backlog is owed by what went before it while it waited.
    """

    alert_went: bool = False
    """The very last batch was one of live alerts, so another may pass."""
    last_live: MessageClass | None = None
    last_backlog: MessageClass | None = None
    owed_bytes: float = 0.0


NOBODY: Final = Turns()
"""Before anything was sealed."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Seal these messages, all of one class and contract, into one batch now."""

    message_class: MessageClass
    contract_sha256: str
    message_ids: tuple[int, ...]
    turns: Turns = field(default=NOBODY, compare=False)
    """Once it is sealed."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nothing is due. Ask again after ``due_in_s``; None when nothing waits."""

    due_in_s: float | None


@dataclass(frozen=True, slots=True)
class _Due:
    """A batch that may be sealed now, and whether it waited for that far too long."""

    seal: Seal
    since: SiteTime
    size_bytes: int
    overdue: bool


def live_from(limits: UplinkLimits, message_class: MessageClass, now: SiteTime) -> SiteTime:
    """Return since when messages of the class are live at ``now``; earlier ones are backlog.

    What merely waits for its batch to fill is never backlog, however long that may take.
    """
    age_ms = bounds(limits, message_class).max_age_ms
    return SiteTime(now - max(limits.live_within_s * 1000, OVERDUE * age_ms))


def plan(
    held: Sequence[Held],
    limits: UplinkLimits,
    now: SiteTime,
    turns: Turns = NOBODY,
    classes: Collection[MessageClass] = ORDER,
) -> Seal | NotYet:
    """Return the batch of one of ``classes`` that is to be sealed now, or when one will be due.

    ``held`` is oldest first within a class. It need not be the whole queue: of each class
    the oldest ``batch_max_messages``, and as many of those from ``live_from`` on.

    ``turns`` are those of the ``Seal`` before. A caller that never hands them on starves
    whatever is not the most urgent.
    """
    live: list[_Due] = []
    backlog: list[_Due] = []
    earliest_ms: int | None = None
    for message_class in (one for one in ORDER if one in classes):
        mine = [one for one in held if one.message_class is message_class]
        since = live_from(limits, message_class, now)
        bound = bounds(limits, message_class)
        if mine and mine[0].received < since:
            found = _first(mine, bound, now)
            backlog += [found] if isinstance(found, _Due) else []
            mine = [one for one in mine if one.received >= since]
        found = _first(mine, bound, now)
        if isinstance(found, _Due):
            live.append(found)
        elif found is not None:
            earliest_ms = found if earliest_ms is None else min(earliest_ms, found)
    if not live and not backlog:
        return NotYet(None if earliest_ms is None else earliest_ms / 1000)
    return _choose(live, backlog, limits, turns)


def _choose(live: list[_Due], backlog: list[_Due], limits: UplinkLimits, turns: Turns) -> Seal:
    alert = bool(live) and live[0].seal.message_class is MessageClass.ALERT
    if alert and not turns.alert_went:
        return _sealed(live[0], turns, limits, is_live=True, contended=bool(backlog))
    # An alert lets one batch pass: of the backlog, or of what has waited too long beside it.
    others = [one for one in live[1:] if one.overdue] if alert else live
    if backlog and (turns.owed_bytes > 0 or not others):
        chosen = _turn(backlog, turns.last_backlog)
        return _sealed(chosen, turns, limits, is_live=False, contended=bool(others))
    if alert:
        chosen = min(others, key=lambda one: one.since, default=live[0])
    else:
        chosen = _turn(live, turns.last_live)
    return _sealed(chosen, turns, limits, is_live=True, contended=bool(backlog))


def _turn(due: Sequence[_Due], last: MessageClass | None) -> _Due:
    """Return the most urgent; right after one of its class the one that is overdue, if one is."""
    urgent, *others = due
    late = [one for one in others if one.overdue]
    if late and urgent.seal.message_class is last:
        return min(late, key=lambda one: one.since)
    return urgent


def _sealed(
    chosen: _Due, turns: Turns, limits: UplinkLimits, *, is_live: bool, contended: bool
) -> Seal:
    """Return what to seal, and whose turn it is then; only what others waited for is owed."""
    name, owed = chosen.seal.message_class, turns.owed_bytes
    if contended:
        share = limits.backlog_share_percent / 100
        owed += chosen.size_bytes * (share if is_live else share - 1)
    elif not is_live:
        owed = min(owed, max(0.0, owed - chosen.size_bytes))
    # What one side could not use long ago is forgotten: a few batches are owed at most.
    most = OWED_BATCHES_MAX * limits.batch_max_bytes
    after = Turns(
        alert_went=is_live and name is MessageClass.ALERT,
        last_live=name if is_live else turns.last_live,
        last_backlog=turns.last_backlog if is_live else name,
        owed_bytes=min(most, max(-most, owed)),
    )
    return replace(chosen.seal, turns=after)


def _first(mine: Sequence[Held], bound: Bounds, now: SiteTime) -> _Due | int | None:
    """Return the due batch of a class, or in how many ms one becomes due; None: none waits."""
    queues: dict[str, list[Held]] = {}
    for message in mine:
        queues.setdefault(message.contract_sha256, []).append(message)
    earliest_ms: int | None = None
    for contract_sha256, queue in queues.items():  # by the age of their first message
        filling = fill((message.size_bytes for message in queue), bound)
        since = queue[0].received
        due_in_ms = bound.max_age_ms - (now - since)
        if filling.full or due_in_ms <= 0:
            chosen = queue[: filling.messages]
            ids = tuple(message.message_id for message in chosen)
            return _Due(
                Seal(queue[0].message_class, contract_sha256, ids),
                since,
                sum(message.size_bytes for message in chosen),
                overdue=now - since >= OVERDUE * bound.max_age_ms,
            )
        earliest_ms = due_in_ms if earliest_ms is None else min(earliest_ms, due_in_ms)
    return earliest_ms
