"""Which sealed batch is sent next, and of which classes another one may be sealed.

Sealed bytes can be neither shed nor joined by what comes later. So only as much is sealed
ahead as keeps the line busy: one batch of a class, beside those that rest because the cloud
did not take them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.uplink.sealing import ORDER

SEALED_WAIT_MS: Final = 10_000
"""A batch that was sealed so long ago is sent between two of alerts."""
RESTING_A_CLASS_MAX: Final = 4
"""With so many batches that the cloud does not take, no more of their class is sealed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the uplink can do now: which classes may leave, and which batches are to rest."""

    classes: frozenset[MessageClass] = frozenset(ORDER)
    resting: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A batch that waits on the disk, without its bytes. ``number`` is the order of sealing."""

    number: int
    sha256: str
    message_class: MessageClass
    sealed: SiteTime


def sealable(waiting: Iterable[Sealed], turn: Turn) -> frozenset[MessageClass]:
    """Return the classes of which one more batch may be sealed."""
    ready = {one.message_class for one in waiting if one.sha256 not in turn.resting}
    resting = Counter(one.message_class for one in waiting if one.sha256 in turn.resting)
    full = {name for name, count in resting.items() if count >= RESTING_A_CLASS_MAX}
    return turn.classes - ready - full


def choose(
    waiting: Sequence[Sealed], turn: Turn, now: SiteTime, last: MessageClass | None
) -> Sealed | None:
    """Return the batch to send: alerts first, then the oldest; None when all must wait.

    ``last`` is the class that was sent before. After an alert the turn is another class's,
    if a batch of it was sealed ``SEALED_WAIT_MS`` before ``now``: alerts that never end
    hold nothing back for ever, and an alert lets one batch pass at most.
    """
    ready = sorted(
        (one for one in waiting if one.message_class in turn.classes),
        key=lambda one: one.number,
    )
    ready = [one for one in ready if one.sha256 not in turn.resting]
    alerts = [one for one in ready if one.message_class is MessageClass.ALERT]
    others = [one for one in ready if one.message_class is not MessageClass.ALERT]
    if last is MessageClass.ALERT and others and others[0].sealed <= now - SEALED_WAIT_MS:
        return others[0]
    return next(iter(alerts + others), None)
