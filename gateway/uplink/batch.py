"""A sealed batch, and how many messages fill one.

Sealed means immutable: the batch is stored whole, and every retry sends these very bytes
(promise P4). Encoding anew could give other bytes, hence another name, hence a second
delivery of the same messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model.outcome import MessageClass
from gateway.uplink.limits import UplinkLimits


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent. ``sha256`` (hexadecimal) is over ``body`` and is its idempotency key.

    ``rows`` counts messages of the trace, ``items`` the records inside. ``resent``: these
    bytes may have reached the cloud before.
    """

    sha256: str
    body: bytes
    message_class: MessageClass
    rows: int
    items: int
    resent: bool = False

    def __repr__(self) -> str:
        return f"Batch({self.message_class.value}, {self.rows} rows, {self.sha256[:12]})"


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a batch is full (messages, or bytes as held) and how long the oldest waits."""

    max_messages: int
    max_bytes: int
    max_age_ms: int


def bounds(limits: UplinkLimits, message_class: MessageClass) -> Bounds:
    """Return the bounds of a class: alerts wait only as long as a burst of them lasts."""
    alert = message_class is MessageClass.ALERT
    age_s = limits.alert_batch_max_age_s if alert else limits.batch_max_age_s
    return Bounds(limits.batch_max_messages, limits.batch_max_bytes, round(age_s * 1000))


@dataclass(frozen=True, slots=True)
class Filling:
    """The first ``messages`` of a queue go into one batch; ``full`` says that no more fit."""

    messages: int
    full: bool


def fill(sizes: Iterable[int], bound: Bounds) -> Filling:
    """Return how many of the messages with these sizes in bytes go into one batch.

    A message larger than the whole bound goes alone: it must leave somehow, and the
    receiver's own bound decides about it.
    """
    messages = total_bytes = 0
    for size in sizes:
        if messages and total_bytes + size > bound.max_bytes:
            return Filling(messages, full=True)
        messages += 1
        total_bytes += size
        if messages == bound.max_messages or total_bytes >= bound.max_bytes:
            return Filling(messages, full=True)
    return Filling(messages, full=False)
