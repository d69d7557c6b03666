"""What goes first when there is no room: the published order. Pure.

A class above a budget of its own gives up its oldest messages. When data as a whole has no
room left, the classes pay in ``ORDER``, each from its oldest message on; messages that lie
in a sealed batch pay last, since the cloud may have them already. Alerts are never given up for
want of room: devices keep the new ones. Only where the operator has set their budget below
what already waits do the oldest alerts go. ``state.db`` holds no queue and is never touched.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.model.outcome import MessageClass
from gateway.spool.budget import LARGEST_BYTES, Assessment, Level, Usage
from gateway.spool.limits import SpoolLimits

ORDER: Final = (
    MessageClass.METRIC,
    MessageClass.LOG,
    MessageClass.RESULT,
    MessageClass.ERROR_LOG,
)
"""Who pays first. Alerts come after all of these, and only for a budget of their own."""
STEP_PERCENT: Final = 2
"""So much of the capacity is made free beyond the bound, so that it is not met at once again."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Give up at least ``size_bytes`` of a class, its oldest messages first."""

    message_class: MessageClass
    size_bytes: int
    why: str
    """``class-budget``, ``budget`` or ``disk``: it stands in the count of drops."""


def plan(usage: Usage, assessment: Assessment, limits: SpoolLimits) -> tuple[Wish, ...]:
    """Return what to give up now, in the order in which to do it; () when there is room."""
    return (*_over_own_budget(usage, limits), *_for_room(usage, assessment))


def _over_own_budget(usage: Usage, limits: SpoolLimits) -> Iterator[Wish]:
    for message_class in (*ORDER, MessageClass.ALERT):
        bound = limits.of_class(message_class)
        excess = usage.waiting.get(message_class, 0) - bound
        if excess > 0:
            # Alerts only down to their bound: each of them was worth keeping until now.
            step = 0 if message_class is MessageClass.ALERT else bound * STEP_PERCENT // 100
            yield Wish(message_class, excess + step, "class-budget")


def _for_room(usage: Usage, assessment: Assessment) -> Iterator[Wish]:
    if assessment.level is not Level.FULL:
        return
    step = max(LARGEST_BYTES, assessment.capacity * STEP_PERCENT // 100)
    missing = step + 1 - assessment.data_room
    for message_class in ORDER:
        pays = min(missing, usage.waiting.get(message_class, 0))
        if pays > 0:
            yield Wish(message_class, pays, assessment.bound.value)
            missing -= pays
