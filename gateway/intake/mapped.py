"""A payload of a device with a topic map becomes items, or a named refusal. Pure, total.

What the map takes from a payload is converted where nothing can be lost (``true`` to 1, 17
to "17") and refused where something could: a text that is no decimal number, a member that
is not there. Such a message has no number of its own, so nobody can be told of the refusal:
it is counted and kept as a dead letter. A detail names the path, never what stood there.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import msgspec

from gateway.intake.contract import breach, frame
from gateway.intake.wire import Advisory, Reason, Refusal, Unsequenced, kind_of
from gateway.model.contract import Contract, ContractInForce
from gateway.model.delivery import Delivery
from gateway.model.frame import is_picture
from gateway.model.identity import DeviceId
from gateway.model.message import Key, Message
from gateway.model.outcome import Stream
from gateway.model.readings import MetricItem
from gateway.model.telemetry import AlertItem, Item, LogItem, ResultItem
from gateway.model.time import Instant
from gateway.model.topicmap import (
    UNSEQUENCED_EPOCH,
    AlertMap,
    Condition,
    LogMap,
    MetricMap,
    ResultMap,
    TopicRule,
    is_path,
    steps,
)

BOOT: Final = "gateway"
"""Stands for the device's boot: the gateway has timed these messages by its own clock."""
TEXT_MAX_BYTES: Final = 65_536
INDEX_DIGITS_MAX: Final = 5
_DECIMAL: Final = re.compile(
    r"[+-]?(?:[0-9]{1,32}(?:\.[0-9]{0,32})?|\.[0-9]{1,32})(?:[eE][+-]?[0-9]{1,3})?"
)
_ABSENT: Final = object()

Made = TypeVar("Made", AlertItem, ResultItem, MetricItem, LogItem)


class _UnfitError(Exception):
    """Carries a refusal out of the mapping functions; ``read_mapped`` turns it into a value."""


def read_rule(
    delivery: Delivery,
    device: DeviceId,
    rule: TopicRule,
    contract: ContractInForce | None,
    now: Instant,
) -> Unsequenced | Advisory | Refusal:
    """Return what ``delivery`` says; without a contract its device may send nothing now."""
    if contract is None:
        return Refusal(device, Reason.UNKNOWN_DEVICE, "it may send nothing now")
    return read_mapped(delivery, device, rule, contract, int(now * 1000))


def read_mapped(
    delivery: Delivery,
    device: DeviceId,
    rule: TopicRule,
    contract: ContractInForce,
    mono_ms: int,
) -> Unsequenced | Advisory | Refusal:
    """Return what ``delivery`` says under ``rule``; ``mono_ms`` is when it came."""
    if delivery.retained:
        return Refusal(device, Reason.RETAINED, f"{rule.topic} must not be retained")
    try:
        payload = _payload(delivery.payload, rule)
        if rule.when is not None and not _counts(payload, rule.when):
            return Advisory(device, rule.topic)
        items = tuple(_items(payload, rule, delivery, mono_ms))
    except _UnfitError as unfit:
        picture = is_picture(delivery.payload)
        return Refusal(
            device, Reason.FRAME if picture else Reason.MALFORMED, f"{rule.topic}: {unfit}"
        )
    refused = _refused(contract.contract, items)
    if refused is not None:
        return Refusal(device, refused[0], f"{rule.topic}: {refused[1]}")
    kind = kind_of("metric" if rule.metrics else next(rule.blocks())[0], items)
    stream = Stream.ALERT if rule.alert is not None else Stream.DATA
    key = Key(device, UNSEQUENCED_EPOCH, stream, 0)
    return Unsequenced(Message(key, kind, BOOT, mono_ms, contract.sha256, items))


def _refused(contract: Contract, items: tuple[Item, ...]) -> tuple[Reason, str] | None:
    shown = frame(contract, items)
    if shown is not None:
        return Reason.FRAME, f"a frame of the camera feed: {shown.value}"
    broken = breach(contract, items)
    return None if broken is None else (Reason.CONTRACT, broken)


def _payload(payload: bytes, rule: TopicRule) -> object:
    if rule.payload == "json":
        try:
            return msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            msg = "the payload is not JSON"
            raise _UnfitError(msg) from error
    if len(payload) > TEXT_MAX_BYTES:
        msg = f"the payload is longer than {TEXT_MAX_BYTES} bytes"
        raise _UnfitError(msg)
    try:
        return payload.decode().strip()
    except UnicodeDecodeError as error:
        msg = "the payload is not UTF-8"
        raise _UnfitError(msg) from error


def _counts(payload: object, when: Condition) -> bool:
    found, wanted = _at(payload, when.path), when.equals
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return found == wanted


def _items(payload: object, rule: TopicRule, delivery: Delivery, mono_ms: int) -> list[Item]:
    taker = _Taker(payload, rule, mono_ms)
    made: list[Item] = []
    for _, block in rule.blocks():
        match block:
            case AlertMap():
                made.append(taker.alert(block, delivery))
            case ResultMap():
                made.append(taker.result(block))
            case MetricMap():
                made.append(taker.metric(block))
            case LogMap():
                made.append(taker.log(block))
    return made


@dataclass(frozen=True, slots=True)
class _Taker:
    """Makes items of one payload."""

    payload: object
    rule: TopicRule
    mono_ms: int

    def alert(self, block: AlertMap, delivery: Delivery) -> AlertItem:
        named = block.id
        one = {
            "id": _own_id(delivery, self.mono_ms) if named is None else self.text(named),
            "kind": self.text(block.kind),
            "severity": self.severity(block.severity),
            "label": self.text(block.label),
            "score": self.number(block.score),
            "fields": self.fields(block.fields),
        }
        return _made(one, AlertItem)

    def result(self, block: ResultMap) -> ResultItem:
        one = {
            "mono_ms": self.mono_ms,
            "model": self.text(block.model),
            "label": self.text(block.label),
            "score": self.number(block.score),
            "latency_ms": self.number(block.latency_ms),
            "fields": self.fields(block.fields),
        }
        return _made(one, ResultItem)

    def metric(self, block: MetricMap) -> MetricItem:
        one = {
            "mono_ms": self.mono_ms,
            "name": self.text(block.name),
            "value": self.number(block.value),
            "unit": block.unit,
        }
        return _made(one, MetricItem)

    def log(self, block: LogMap) -> LogItem:
        one = {
            "mono_ms": self.mono_ms,
            "severity": self.severity(block.severity),
            "template": block.template,
            "message": self.text(block.message),
            "fields": self.fields(block.fields),
        }
        return _made(one, LogItem)

    def severity(self, value: str) -> str:
        word = self.text(value)
        return self.rule.severities.get(word, word)

    def fields(self, values: dict[str, str | float]) -> dict[str, str | float]:
        return {name: self.plain(value) for name, value in values.items()}

    def plain(self, value: str | float) -> str | float:
        """Return a value as it is: the contract says whether a field is a number or a text."""
        if not isinstance(value, str) or not is_path(value):
            return value
        found = self.found(value)
        return _counted(found) if isinstance(found, bool | int | float) else str(found)

    def text(self, value: str) -> str:
        if not is_path(value):
            return value
        found = self.found(value)
        if isinstance(found, bool):
            return "true" if found else "false"
        return str(found)

    def number(self, value: str | float) -> float:
        if not isinstance(value, str):
            return value
        found = self.found(value)
        if isinstance(found, str):
            if _DECIMAL.fullmatch(found) is None:
                msg = f"expected a number at {value}"
                raise _UnfitError(msg)
            return _counted(float(found))
        return _counted(found)

    def found(self, path: str) -> str | float:
        found = _at(self.payload, path)
        if isinstance(found, bool | int | float | str):
            return found
        msg = f"expected a number or a text at {path}"
        raise _UnfitError(msg)


def _counted(found: float) -> float:
    """Return a finite float; an integer that no double can hold is out of range too."""
    try:
        number = float(found)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        msg = "a number is out of range"
        raise _UnfitError(msg)
    return number


def _at(payload: object, path: str) -> object:
    """Return what stands at ``path``; ``_ABSENT`` where it leads nowhere."""
    found = payload
    for step in steps(path) or ():
        if isinstance(found, dict):
            found = cast("dict[str, object]", found).get(step, _ABSENT)
        elif isinstance(found, list) and step.isdecimal() and len(step) <= INDEX_DIGITS_MAX:
            entries = cast("list[object]", found)
            found = entries[int(step)] if int(step) < len(entries) else _ABSENT
        else:
            return _ABSENT
    return found


def _made(one: dict[str, Any], kind: type[Made]) -> Made:
    """Return the item, within the bounds that hold for every device."""
    try:
        return msgspec.convert(one, kind)
    except msgspec.ValidationError as error:
        path = str(error).rpartition(" - at ")[2]
        msg = f"a value does not fit at {path}" if " - at " in str(error) else "values do not fit"
        raise _UnfitError(msg) from error


def _own_id(delivery: Delivery, mono_ms: int) -> str:
    """Return a name for an alert that has none: of when it came and what it said."""
    whole = f"{mono_ms} {delivery.topic} ".encode() + delivery.payload
    return hashlib.blake2b(whole, digest_size=8).hexdigest()
