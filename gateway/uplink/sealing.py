"""Which of the waiting messages go into the next batch, or when to ask again.

A batch holds one class under one contract. Alerts come first, then error logs, results
and other logs; within a class the contract whose message waited longest. A message waits until its
batch is full or its oldest companion is old enough: small batches cost bytes, and one
message a batch would tell when a device spoke.

On a slow line something more urgent is always due. So a class that has waited ``OVERDUE``
times its age takes every second turn: it moves, and an alert lets one batch pass at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.uplink.batch import bounds, fill
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


@dataclass(frozen=True, slots=True)
class Held:
    """A message that may leave, as far as sealing needs to know it."""

    message_id: int
    message_class: MessageClass
    contract_sha256: str
    received: SiteTime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Seal:
    """Seal these messages, all of one class and contract, into one batch now."""

    message_class: MessageClass
    contract_sha256: str
    message_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nothing is due. Ask again after ``due_in_s``; None when nothing waits."""

    due_in_s: float | None


@dataclass(frozen=True, slots=True)
class _Due:
    """A batch that may be sealed now, and whether it waited for that far too long."""

    seal: Seal
    since: SiteTime
    overdue: bool


def plan(
    held: Sequence[Held],
    limits: UplinkLimits,
    now: SiteTime,
    last: MessageClass | None = None,
) -> Seal | NotYet:
    """Return the most urgent batch that is due; after one of its class, one that is overdue.

    ``held`` is oldest first. It need not be the whole queue: the oldest
    ``batch_max_messages`` of each class are enough to fill a batch, and since the oldest
    becomes due by its age, no contract starves behind another.

    ``last`` is the class that was sealed before. None (nothing was, since the start) gives
    the turn to the most urgent class; a caller that never says more starves the others.
    """
    due: list[_Due] = []
    earliest_ms: int | None = None
    for message_class in ORDER:
        found = _of_class(message_class, held, limits, now)
        if isinstance(found, _Due):
            due.append(found)
        elif found is not None:
            earliest_ms = found if earliest_ms is None else min(earliest_ms, found)
    if not due:
        return NotYet(None if earliest_ms is None else earliest_ms / 1000)
    urgent, *others = due
    late = [one for one in others if one.overdue]
    if late and urgent.seal.message_class is last:
        return min(late, key=lambda one: one.since).seal
    return urgent.seal


def _of_class(
    message_class: MessageClass, held: Sequence[Held], limits: UplinkLimits, now: SiteTime
) -> _Due | int | None:
    """Return the due batch of a class, or in how many ms one becomes due; None: none waits."""
    bound = bounds(limits, message_class)
    queues: dict[str, list[Held]] = {}
    for message in held:
        if message.message_class is message_class:
            queues.setdefault(message.contract_sha256, []).append(message)
    earliest_ms: int | None = None
    for contract_sha256, queue in queues.items():  # by the age of their first message
        filling = fill((message.size_bytes for message in queue), bound)
        since = queue[0].received
        due_in_ms = bound.max_age_ms - (now - since)
        if filling.full or due_in_ms <= 0:
            ids = tuple(message.message_id for message in queue[: filling.messages])
            overdue = now - since >= OVERDUE * bound.max_age_ms
            return _Due(Seal(message_class, contract_sha256, ids), since, overdue)
        earliest_ms = due_in_ms if earliest_ms is None else min(earliest_ms, due_in_ms)
    return earliest_ms
