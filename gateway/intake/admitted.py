"""What a committed batch means to its devices and to the counters. Pure."""

from collections import Counter
from dataclasses import dataclass, field

from gateway.intake.wire import Reason, Refusal, StatusReport, Telemetry, Unsequenced
from gateway.model.frame import holds_picture
from gateway.model.identity import DeviceId
from gateway.model.message import Key, Receipt
from gateway.model.outcome import Stream

Arrival = Telemetry | StatusReport | Unsequenced | Refusal
"""What one delivery says, as ``wire.read`` or ``mapped.read_mapped`` found it."""


@dataclass(slots=True)
class Admitted:
    """What a committed batch means to its devices and to the counters."""

    receipts: list[tuple[DeviceId, Receipt]] = field(default_factory=list[tuple[DeviceId, Receipt]])
    stored: int = 0
    alerts: int = 0
    duplicates: int = 0
    conflicts: list[Key] = field(default_factory=list[Key])
    refused: list[tuple[DeviceId, Reason]] = field(default_factory=list[tuple[DeviceId, Reason]])
    lost: list[tuple[DeviceId, int]] = field(default_factory=list[tuple[DeviceId, int]])
    """Messages that a device has just declared lost."""
    crowded: bool = False
    """The queue is short of room: devices are asked to hold their data."""
    held: Counter[Stream] = field(default_factory=Counter[Stream])
    """Messages that were not stored for want of room; their devices keep them."""
    opened: list[DeviceId] = field(default_factory=list[DeviceId])


def kept_of(refusal: Refusal, payload: bytes) -> bytes:
    """Return what a dead letter may keep of a payload: nothing where a picture shows in it."""
    return b"" if refusal.reason is Reason.FRAME or holds_picture(payload) else payload
