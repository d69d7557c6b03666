"""Whatever bytes come, the reader answers: it never raises, and it never guesses a place."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.wire import DETAIL_CHARS_MAX, Read, Refusal, StatusReport, Telemetry, read
from gateway.model.delivery import Delivery
from gateway.model.message import EPOCH_MAX
from tests.support.desk import CONTRACT, alert_item, envelope, log_item

Path = tuple[Any, ...]
CHANNELS = st.sampled_from(["alert", "data", "status", "evidence", ""])
TYPES = st.sampled_from(["", "application/json", "application/msgpack", "text/plain"])
NUMBERS = st.integers() | st.integers(-1, 3) | st.just(EPOCH_MAX) | st.just(10**40)
LEAVES = st.none() | st.booleans() | NUMBERS | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)
)
STATUS = {
    "v": 1,
    "state": "online",
    "profile": "p",
    "agent": "a",
    "boot": "b",
    "synced": True,
    "last": {"epoch": 1, "alert": 1, "data": 1},
}
RESULT = {"mono_ms": 5, "model": "m@1", "label": "ok", "score": 0.5, "latency_ms": 4.0}
METRIC = {"mono_ms": 5, "name": "power", "value": 4.5}
VALID: list[tuple[str, dict[str, Any]]] = [
    ("alert", envelope(3) | {"items": [alert_item(fields={"share": 0.5})]}),
    ("data", envelope(3) | {"type": "log", "items": [log_item("x")]}),
    ("data", envelope(3) | {"type": "result", "items": [RESULT | {"fields": {"camera": "left"}}]}),
    ("data", envelope(3) | {"type": "metric", "items": [METRIC]}),
    ("status", STATUS),
]


def answer(payload: bytes, channel: str, content_type: str, *, retained: bool = False) -> Read:
    found = read(
        Delivery(f"line/d/up/{channel}", payload, retained, content_type, (1, 1)), CONTRACT
    )
    if isinstance(found, Refusal):
        assert found.detail.isprintable()
        assert 0 < len(found.detail) <= DETAIL_CHARS_MAX
        if found.place is not None:
            assert 1 <= found.place.base <= found.place.key.seq <= EPOCH_MAX
    if isinstance(found, Telemetry):
        # What is admitted can be stored: text as UTF-8, numbers in 64 bits.
        msgspec.msgpack.encode(found.message.items)
        assert 1 <= found.place.base <= found.place.key.seq <= EPOCH_MAX
    if isinstance(found, StatusReport):
        assert 0 <= found.status.last.epoch <= EPOCH_MAX
    return found


@given(st.binary(max_size=200), CHANNELS, TYPES, st.booleans())
def test_random_bytes_never_raise(payload, channel, content_type, retained):
    answer(payload, channel, content_type, retained=retained)


@given(st.sampled_from(VALID), st.booleans(), st.data())
def test_a_valid_payload_with_some_bytes_changed_never_raises(valid, binary, drawn):
    channel, whole = valid
    payload = bytearray(msgspec.msgpack.encode(whole) if binary else json.dumps(whole).encode())
    for _ in range(drawn.draw(st.integers(1, 4))):
        at = drawn.draw(st.integers(0, len(payload) - 1))
        payload[at : at + drawn.draw(st.integers(0, 3))] = drawn.draw(st.binary(max_size=4))
        payload = payload or bytearray(1)
    answer(bytes(payload), channel, "application/msgpack" if binary else "")


def places(value: Any, path: Path = ()) -> list[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path]
    for key, one in inner:
        deeper = (*path, key)
        found += places(one, deeper) if isinstance(one, dict | list) else [deeper]
    return found


def replaced(value: Any, path: Path, by: Any) -> Any:
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


@given(st.sampled_from(VALID), st.booleans(), st.data())
def test_a_valid_payload_with_one_value_replaced_never_raises(valid, binary, drawn):
    channel, whole = valid
    path = drawn.draw(st.sampled_from(places(whole)))
    changed = replaced(whole, path, drawn.draw(VALUES))
    try:
        payload = msgspec.msgpack.encode(changed) if binary else json.dumps(changed).encode()
    except (OverflowError, UnicodeEncodeError):
        return  # MessagePack has no such value
    answer(payload, channel, "application/msgpack" if binary else "")


SAYABLE = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
)


@given(st.sampled_from(VALID[:-1]), st.sampled_from(["v", "boot", "time", "items", "x"]), SAYABLE)
def test_what_is_wrong_beside_the_key_does_not_cost_a_message_its_place(valid, key, value):
    channel, whole = valid
    found = answer(json.dumps(whole | {key: value}).encode(), channel, "")
    assert isinstance(found, Refusal | Telemetry)
    assert found.place is not None
    assert (found.place.key.epoch, found.place.key.seq, found.place.base) == (7, 3, 1)
