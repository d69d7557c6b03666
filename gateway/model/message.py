"""A checked message: what intake admits and the spool keeps."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from gateway.model.identity import DeviceId
from gateway.model.outcome import MessageClass, Stream
from gateway.model.telemetry import Item

EPOCH_MAX = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Key:
    """What makes a message unique: a number of a stream of an epoch of a device."""

    device: DeviceId
    epoch: int
    stream: Stream
    seq: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message that fits its contract. ``mono_ms`` counts from the device's ``boot``."""

    key: Key
    message_class: MessageClass
    boot: str
    mono_ms: int
    contract_sha256: str
    items: tuple[Item, ...]

    def __repr__(self) -> str:
        return f"Message({self.key}, {self.message_class.value}, {len(self.items)} items)"


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What ``down/receipt`` says: all up to these marks is on disk or refused for good."""

    epoch: int
    alert: int
    data: int
    pause: tuple[Literal["data"], ...] = ()
    refused: tuple[tuple[str, int, str], ...] = ()


REFUSALS_A_RECEIPT_MAX = 50
