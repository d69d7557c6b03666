"""Bytes of a device become a checked message, a status, or a named refusal. Pure, total.

The shapes are those of ``docs/asyncapi.yaml``; unknown keys, wrong types, numbers out of
range and trailing bytes are refused. A refusal that still has a readable key takes its
place in the sequence: else the mark would stand still and the device resend for ever.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final, Literal

import msgspec

from gateway.intake.contract import PLAIN_NAME, breach, frame
from gateway.model.contract import ContractInForce
from gateway.model.delivery import Delivery
from gateway.model.frame import is_picture
from gateway.model.identity import DeviceId
from gateway.model.message import EPOCH_MAX, Key, Message
from gateway.model.outcome import MessageClass, Stream
from gateway.model.readings import MetricItem
from gateway.model.status import DeviceStatus
from gateway.model.telemetry import AlertItem, Item, LogItem, ResultItem

ITEMS_MAX: Final = 100
DIGEST_BYTES: Final = 12
DETAIL_CHARS_MAX: Final = 300
TOPIC_LEVELS: Final = 4

Number = Annotated[int, msgspec.Meta(ge=1, le=EPOCH_MAX)]
WallTime = Annotated[int, msgspec.Meta(ge=-EPOCH_MAX, le=EPOCH_MAX)]  # a clock may be this wrong


class Reason(Enum):
    """Why something was refused; receipts, counters and dead letters carry the value."""

    MALFORMED = "malformed"
    CONTRACT = "contract"
    CONFLICT = "conflict"
    BEYOND_WINDOW = "beyond-window"
    FRAME = "frame"
    RETAINED = "retained"
    UNKNOWN_DEVICE = "unknown-device"
    UNKNOWN_TOPIC = "unknown-topic"


@dataclass(frozen=True, slots=True)
class Numbered:
    """Where a message stands in its stream, and what it contains, as a digest of all but base."""

    key: Key
    base: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Telemetry:
    """A message that fits its contract."""

    place: Numbered
    message: Message


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A device's word on itself. ``retained`` ones are old and need no answer.

    Without ``answer`` it is told, but not answered yet: it comes again, behind data.
    """

    device: DeviceId
    status: DeviceStatus
    retained: bool
    answer: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """A payload that does not enter. With a place it is answered, else only counted."""

    device: DeviceId
    reason: Reason
    detail: str
    place: Numbered | None = None


@dataclass(frozen=True, slots=True)
class Advisory:
    """Well addressed, and nothing of it is kept: a later capability reads it, or its map passes."""

    device: DeviceId
    channel: str


@dataclass(frozen=True, slots=True)
class Unsequenced:
    """A message of a topic map that fits its contract; its ``seq`` is given by the commit."""

    message: Message


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    v: Literal[1]
    epoch: Number
    seq: Number
    base: Number
    boot: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    mono_ms: Annotated[int, msgspec.Meta(ge=0, le=EPOCH_MAX)]
    time: WallTime | None = None
    type: Literal["result", "metric", "log"] | None = None
    items: msgspec.Raw


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """The least that lets a refused message keep its place."""

    epoch: Number
    seq: Number
    base: Number


_JSON: Final[dict[str, Any]] = {
    "envelope": msgspec.json.Decoder(_Envelope),
    "place": msgspec.json.Decoder(_Place),
    "status": msgspec.json.Decoder(DeviceStatus),
    "alert": msgspec.json.Decoder(tuple[AlertItem, ...]),
    "result": msgspec.json.Decoder(tuple[ResultItem, ...]),
    "metric": msgspec.json.Decoder(tuple[MetricItem, ...]),
    "log": msgspec.json.Decoder(tuple[LogItem, ...]),
}
_MESSAGEPACK: Final[dict[str, Any]] = {
    "envelope": msgspec.msgpack.Decoder(_Envelope),
    "place": msgspec.msgpack.Decoder(_Place),
    "status": msgspec.msgpack.Decoder(DeviceStatus),
    "alert": msgspec.msgpack.Decoder(tuple[AlertItem, ...]),
    "result": msgspec.msgpack.Decoder(tuple[ResultItem, ...]),
    "metric": msgspec.msgpack.Decoder(tuple[MetricItem, ...]),
    "log": msgspec.msgpack.Decoder(tuple[LogItem, ...]),
}
_FORMATS: Final = {
    "": _JSON,
    "application/json": _JSON,
    "application/msgpack": _MESSAGEPACK,
}
_PATH: Final = re.compile(r"(?P<rest>.*?)(?P<path> - at `\$[A-Za-z0-9_.\[\]]{0,64}`)?", re.DOTALL)
_UNKNOWN: Final = "Object contains unknown field `"
_NO_VALUE_IN: Final = (
    "Expected `",
    "Object missing required field `",
    "Input data was truncated",
    "Invalid base64 encoded string",
    "JSON is malformed: ",
    "MessagePack data is malformed: ",
)
_BAD: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_UNREADABLE_REASONS: Final = (Reason.MALFORMED, Reason.RETAINED, Reason.UNKNOWN_TOPIC)
_ADVISORY: Final = ("evidence", "update", "infer")

Read = Telemetry | StatusReport | Refusal | Advisory


def device_of(topic: str) -> DeviceId:
    """Return the device that a topic belongs to; the broker lets nobody else publish there."""
    levels = topic.split("/")
    return DeviceId(levels[1]) if len(levels) > 1 else DeviceId("")


def is_status(topic: str) -> bool:
    """Say whether this is the one topic that a device retains."""
    return topic.count("/") == TOPIC_LEVELS - 1 and topic.endswith("/status")


class _NoError(Exception):
    """Carries a refusal out of the reading functions; ``read`` turns it into a value."""

    def __init__(self, reason: Reason, detail: str, place: Numbered | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        # A device chooses its topics: they must not end a line of the log and forge the next.
        self.detail = "".join(c if c.isprintable() else "?" for c in detail[:DETAIL_CHARS_MAX])
        self.place = place


def read(delivery: Delivery, contract: ContractInForce | None) -> Read:
    """Return what ``delivery`` says. ``contract`` is its device's; None for a stranger."""
    device = device_of(delivery.topic)
    try:
        return _read(device, delivery, contract)
    except _NoError as no:
        if no.place is None and no.reason in _UNREADABLE_REASONS and is_picture(delivery.payload):
            return Refusal(device, Reason.FRAME, "the payload as such is a picture")
        return Refusal(device, no.reason, no.detail, no.place)


def _read(device: DeviceId, delivery: Delivery, contract: ContractInForce | None) -> Read:
    if contract is None:
        raise _NoError(Reason.UNKNOWN_DEVICE, "no such device in the inventory")
    decoders = _FORMATS.get(delivery.content_type)
    if decoders is None:
        raise _NoError(Reason.MALFORMED, "content type is neither JSON nor MessagePack")
    levels = delivery.topic.split("/")
    channel = levels[3] if len(levels) == TOPIC_LEVELS else ""
    if channel == "status":
        try:
            status = decoders["status"].decode(delivery.payload)
        except _BAD as error:
            raise _NoError(Reason.MALFORMED, f"status: {_said(error)}") from error
        return StatusReport(device, status, delivery.retained)
    if delivery.retained:
        raise _NoError(Reason.RETAINED, f"up/{channel[:32]} must not be retained")
    if channel in {"alert", "data"}:
        return _telemetry(device, Stream(channel), delivery.payload, decoders, contract)
    if channel in _ADVISORY:
        return Advisory(device, channel)
    raise _NoError(Reason.UNKNOWN_TOPIC, f"{delivery.topic[:128]} is no topic of devices")


def _telemetry(
    device: DeviceId,
    stream: Stream,
    payload: bytes,
    decoders: dict[str, Any],
    contract: ContractInForce,
) -> Telemetry:
    try:
        envelope: _Envelope = decoders["envelope"].decode(payload)
    except _BAD as error:
        place = _readable_place(device, stream, payload, decoders["place"])
        raise _NoError(Reason.MALFORMED, _said(error), place) from error
    key = Key(device, envelope.epoch, stream, envelope.seq)
    place = Numbered(key, _believed(envelope.base, envelope.seq), _digest(envelope))
    if envelope.base > envelope.seq:
        raise _NoError(Reason.MALFORMED, "base is above seq", place)
    kind = "alert" if stream is Stream.ALERT else envelope.type
    if kind is None or (stream is Stream.ALERT and envelope.type is not None):
        detail = "type must be result, metric or log on up/data, and absent on up/alert"
        raise _NoError(Reason.MALFORMED, detail, place)
    try:
        items: tuple[Item, ...] = decoders[kind].decode(envelope.items)
    except _BAD as error:
        raise _NoError(Reason.MALFORMED, f"items: {_said(error)}", place) from error
    if not 1 <= len(items) <= ITEMS_MAX:
        raise _NoError(Reason.MALFORMED, f"items: 1 to {ITEMS_MAX} expected", place)
    shown = frame(contract.contract, items)
    if shown is not None:
        raise _NoError(Reason.FRAME, f"a frame of the camera feed: {shown.value}", place)
    broken = breach(contract.contract, items)
    if broken is not None:
        raise _NoError(Reason.CONTRACT, broken, place)
    message = Message(
        key, kind_of(kind, items), envelope.boot, envelope.mono_ms, contract.sha256, items
    )
    return Telemetry(place, message)


def kind_of(kind: str, items: tuple[Item, ...]) -> MessageClass:
    """Return the class of a message: one error among its logs lifts all of it."""
    if any(isinstance(item, LogItem) and item.severity == "error" for item in items):
        return MessageClass.ERROR_LOG
    return MessageClass(kind)


def _said(error: Exception) -> str:
    """Return what a decoder found wrong: the path and the expected type, never what stood there.

    Its words are taken over by a list of those that carry no value: it may learn others.
    """
    if isinstance(error, UnicodeDecodeError):
        return "text that is not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deep"
    said = str(error)
    if said.startswith(_NO_VALUE_IN):
        return said
    found = _PATH.fullmatch(said)
    rest, path = (found["rest"], found["path"] or "") if found else ("", "")
    if rest.startswith(_UNKNOWN):
        name = rest.removeprefix(_UNKNOWN).removesuffix("`")
        plain = PLAIN_NAME.fullmatch(name)  # of any other, the path may be a part
        return f"{_UNKNOWN}{name}`{path}" if plain else "Object contains unknown field, oddly named"
    return f"Expected another value{path}"


def _believed(base: int, seq: int) -> int:
    """Return a base that declares no gap where the given one cannot be true."""
    return base if base <= seq else 1


def _digest(envelope: _Envelope) -> bytes:
    """Return the digest of all but ``base``, which a resend may change."""
    head = (envelope.boot, envelope.mono_ms, envelope.time, envelope.type)
    whole = hashlib.blake2b(msgspec.msgpack.encode(head), digest_size=DIGEST_BYTES)
    whole.update(bytes(envelope.items))
    return whole.digest()


_UNREADABLE: Final = b"unreadable"
"""Stands for content that cannot be told from its base: a resend is taken as the same."""


def _readable_place(
    device: DeviceId,
    stream: Stream,
    payload: bytes,
    decoder: Any,  # noqa: ANN401 -- either format
) -> Numbered | None:
    try:
        found: _Place = decoder.decode(payload)
    except _BAD:
        return None
    key = Key(device, found.epoch, stream, found.seq)
    return Numbered(key, _believed(found.base, found.seq), _UNREADABLE)
