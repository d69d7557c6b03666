"""The payloads of protocol version 1, as types, and their encodings.

The schemas are ``docs/asyncapi.yaml``. Pure. What a device sends is JSON, or MessagePack
where an item holds bytes; what it receives is JSON. A key of a received payload that
this version does not know is ignored, so that a later gateway may add one.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal

import msgspec

VERSION: Final = 1
JSON: Final = "application/json"
MESSAGEPACK: Final = "application/msgpack"
PAYLOAD_MAX_BYTES: Final = 256_000
"""A larger packet ends the connection, and would be sent again for ever."""
WINDOW_DEFAULT: Final = 50
"""Messages that may lack a receipt until ``down/access`` says otherwise."""

State = Literal["online", "offline"]
Item = dict[str, object]
"""One alert, result, metric or log as docs/device-protocol.md describes it."""


class Stream(Enum):
    """Two sequences with numbers of their own. The order here is the order of sending."""

    ALERT = "alert"
    DATA = "data"


class TooLargeError(ValueError):
    """A message does not fit one packet of the broker. Send fewer items, or no picture."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened: since which boot, and what the wall clock said (Unix ms)."""

    boot: str
    mono_ms: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it has a number. Nothing in it ever changes: a resend is the same."""

    stream: Stream
    stamp: Stamp
    type: str | None
    content_type: str
    items: bytes
    """The array of items, encoded."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A draft with its key, and with the lowest number of its stream that is still held."""

    draft: Draft
    epoch: int
    seq: int
    base: int


class _Envelope(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    v: int
    epoch: int
    seq: int
    base: int
    boot: str
    mono_ms: int
    time: int
    type: str | None = None
    items: msgspec.Raw


class Last(msgspec.Struct, frozen=True):
    """The highest number given so far in each stream of ``epoch``; 0 means none."""

    epoch: int
    alert: int
    data: int


class Slot(msgspec.Struct, frozen=True):
    """One thing that can be updated, and what it holds."""

    slot: str
    name: str
    version: str
    sha256: str
    state: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The level-triggered truth about the device: always whole, never a change."""

    v: int = VERSION
    state: State
    profile: str
    agent: str
    boot: str
    synced: bool
    slots: tuple[Slot, ...]
    production: Literal["running", "stopped", "unknown"]
    desired_rev: int
    last: Last
    time: int


class Receipt(msgspec.Struct, frozen=True):
    """Everything up to the marks is on the gateway's disk or refused for good."""

    epoch: int
    alert: int
    data: int
    pause: tuple[str, ...] = ()
    refused: tuple[tuple[Stream, int, str], ...] = ()

    def mark(self, stream: Stream) -> int:
        """Return the mark of ``stream``."""
        return self.alert if stream is Stream.ALERT else self.data


class Access(msgspec.Struct, frozen=True):
    """What the gateway lets this device do (``down/access``)."""

    state: str
    window: int = WINDOW_DEFAULT


class UnreadableError(ValueError):
    """A payload from the gateway does not follow the protocol."""


def alert(stamp: Stamp, item: Item) -> Draft:
    """Return one alert as a message, in MessagePack because a picture is bytes.

    Raises:
        TooLargeError: leave the picture out.
    """
    items = _bounded(msgspec.msgpack.encode([item]))
    return Draft(Stream.ALERT, stamp, None, MESSAGEPACK, items)


def data(stamp: Stamp, kind: Literal["result", "metric", "log"], items: list[Item]) -> Draft:
    """Return items of one kind as a message.

    Raises:
        TooLargeError: send fewer.
    """
    return Draft(Stream.DATA, stamp, kind, JSON, _bounded(msgspec.json.encode(items)))


def without_pictures(draft: Draft) -> Draft | None:
    """Return an alert without its pictures, as a message of its own; None where it has none."""
    if draft.stream is not Stream.ALERT:
        return None
    items = msgspec.msgpack.decode(draft.items, type=list[Item])
    if not any("image" in item for item in items):
        return None
    bare = [{key: value for key, value in item.items() if key != "image"} for item in items]
    return replace(draft, items=msgspec.msgpack.encode(bare))


def _bounded(items: bytes) -> bytes:
    room_bytes = PAYLOAD_MAX_BYTES - 512  # the rest of the envelope
    if len(items) > room_bytes:
        msg = f"the items take {len(items)} bytes, and a message has room for {room_bytes}"
        raise TooLargeError(msg)
    return items


def encode(message: Numbered) -> bytes:
    """Return the payload of ``message``. On a resend only ``base`` may differ."""
    draft = message.draft
    envelope = _Envelope(
        v=VERSION,
        epoch=message.epoch,
        seq=message.seq,
        base=message.base,
        boot=draft.stamp.boot,
        mono_ms=draft.stamp.mono_ms,
        time=draft.stamp.time_ms,
        type=draft.type,
        items=msgspec.Raw(draft.items),
    )
    binary = draft.content_type == MESSAGEPACK
    return msgspec.msgpack.encode(envelope) if binary else msgspec.json.encode(envelope)


def read_receipt(payload: bytes) -> Receipt:
    """Return a receipt.

    Raises:
        UnreadableError: ignore it; the next one repairs it.
    """
    try:
        return msgspec.json.decode(payload, type=Receipt)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        msg = f"a receipt that cannot be read: {error}"
        raise UnreadableError(msg) from error


def read_access(payload: bytes) -> Access:
    """Return an access document.

    Raises:
        UnreadableError: keep the one before.
    """
    try:
        return msgspec.json.decode(payload, type=Access)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        msg = f"an access document that cannot be read: {error}"
        raise UnreadableError(msg) from error
