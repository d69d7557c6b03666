"""How long an outage of the cloud the queue survives. Pure.

Two things end a message that has not left: its contract's retention, and the lack of room.
What lacks room is shed in a published order, so a class is touched only after the ones that
go before it are gone. The answer for a class is the earlier of the two. It is honest within
these bounds: rates are taken as steady; devices that are asked to pause, and that keep their
data themselves, are not counted on; and the uplink sends nothing at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.model.outcome import MessageClass
from gateway.spool.shedding import ORDER

SHED_FIRST: Final = (*ORDER, MessageClass.ALERT)
"""What goes first when room is short."""


class Limit(Enum):
    """What ends the first message of a class."""

    RETENTION = "retention"
    ROOM = "room"


@dataclass(frozen=True, slots=True)
class Flow:
    """One class: what comes in, what waits, how long it may stay.

    ``kept_h`` is None where a message stays until it is delivered.
    """

    messages_per_h: float = 0.0
    bytes_per_h: float = 0.0
    leaves: bool = True
    kept_h: float | None = None
    held_messages: int = 0
    held_bytes: int = 0
    oldest_h: float = 0.0


@dataclass(frozen=True, slots=True)
class Pool:
    """Room that some classes share. Each message takes ``a_message_bytes`` beside its payload."""

    name: str
    classes: frozenset[MessageClass]
    room_bytes: int
    a_message_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Survival:
    """How long a class goes without a loss. ``hours`` None: no end in sight.

    ``pool`` names the room that is short, where that is the limit.
    """

    message_class: MessageClass
    leaves: bool
    hours: float | None
    limit: Limit | None
    pool: str = ""


def horizon(
    flows: Mapping[MessageClass, Flow], pools: Sequence[Pool]
) -> dict[MessageClass, Survival]:
    """Return what becomes of each class in an outage that begins now."""
    return {one: _survival(one, flows, pools) for one in MessageClass}


def _survival(
    one: MessageClass, flows: Mapping[MessageClass, Flow], pools: Sequence[Pool]
) -> Survival:
    flow = flows.get(one, Flow())
    if not (flow.bytes_per_h or flow.held_bytes):
        return Survival(one, flow.leaves, None, None)
    ends: list[tuple[float, Limit, str]] = []
    if flow.leaves and flow.kept_h is not None:
        ends.append((max(0.0, flow.kept_h - flow.oldest_h), Limit.RETENTION, ""))
    safer = SHED_FIRST[SHED_FIRST.index(one) :]  # by then all that goes before it is gone
    for pool in pools:
        if one in pool.classes:
            sharing = [flows.get(other, Flow()) for other in safer if other in pool.classes]
            hours = _full_after_h(sharing, pool)
            if hours is not None:
                ends.append((hours, Limit.ROOM, pool.name))
    if not ends:
        return Survival(one, flow.leaves, None, None)
    hours, limit, name = min(ends, key=lambda end: end[0])
    return Survival(one, flow.leaves, hours, limit, name)


def _full_after_h(flows: Iterable[Flow], pool: Pool) -> float | None:
    """Return when ``flows`` together fill the pool; None when they never do."""
    level = 0.0
    growing: list[tuple[float, float]] = []  # (until hours, bytes an hour)
    for flow in flows:
        held = flow.held_bytes + flow.held_messages * pool.a_message_bytes
        rate = flow.bytes_per_h + flow.messages_per_h * pool.a_message_bytes
        level += held
        if rate <= 0:
            continue
        # Once the oldest go by retention as fast as new ones come, the class grows no more.
        steady = float("inf") if flow.kept_h is None else rate * flow.kept_h
        if steady > held:
            growing.append(((steady - held) / rate, rate))
    at_h = 0.0
    for until_h, _ in sorted(growing):
        rate = sum(per_h for end_h, per_h in growing if end_h > at_h)
        if level + rate * (until_h - at_h) > pool.room_bytes:
            return at_h + max(0.0, pool.room_bytes - level) / rate
        level += rate * (until_h - at_h)
        at_h = until_h
    return 0.0 if level > pool.room_bytes else None


def losing(found: Iterable[Survival], outage_h: float) -> list[Survival]:
    """Return the classes that may leave and lose messages in an outage of ``outage_h`` hours."""
    return [one for one in found if one.leaves and one.hours is not None and one.hours < outage_h]
