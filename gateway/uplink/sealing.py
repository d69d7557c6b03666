"""Which of the waiting messages go into the next batch, or when to ask again.

A batch holds one class under one contract. Alerts come before results, results before
logs; within a class the contract whose message waited longest. A message waits until its
batch is full or its oldest companion is old enough: small batches cost bytes, and one
message a batch would tell when a device spoke.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.uplink.batch import bounds, fill
from gateway.uplink.limits import UplinkLimits

ORDER: Final = (MessageClass.ALERT, MessageClass.RESULT, MessageClass.LOG)
"""Metrics are absent: they leave as aggregates, never in a batch of rows."""


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


def plan(held: Sequence[Held], limits: UplinkLimits, now: SiteTime) -> Seal | NotYet:
    """Return the most urgent batch that is due.

    ``held`` is oldest first. It need not be the whole queue: the oldest
    ``batch_max_messages`` of each class are enough to fill a batch, and since the oldest
    becomes due by its age, no contract starves behind another.
    """
    earliest_ms: int | None = None
    for message_class in ORDER:
        bound = bounds(limits, message_class)
        queues: dict[str, list[Held]] = {}
        for message in held:
            if message.message_class is message_class:
                queues.setdefault(message.contract_sha256, []).append(message)
        for contract_sha256, queue in queues.items():  # by the age of their first message
            filling = fill((message.size_bytes for message in queue), bound)
            due_in_ms = bound.max_age_ms - (now - queue[0].received)
            if filling.full or due_in_ms <= 0:
                ids = tuple(message.message_id for message in queue[: filling.messages])
                return Seal(message_class, contract_sha256, ids)
            earliest_ms = due_in_ms if earliest_ms is None else min(earliest_ms, due_in_ms)
    return NotYet(None if earliest_ms is None else earliest_ms / 1000)
