"""Payloads that a device must not send, each with the reason for which it is refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.support.raw_device import RawDevice, alert, result

JSON = "application/json"
MSGPACK = "application/msgpack"

Make = Callable[[RawDevice], bytes]


@dataclass(frozen=True)
class Attack:
    """A payload, what the log says of it."""

    name: str
    make: Make
    says: str
    reason: str = "malformed"
    channel: str = "data"
    content: str = ""
    retain: bool = False

    @property
    def stream(self) -> str:
        return "alert" if self.channel == "alert" else "data"


def raw(payload: bytes) -> Make:
    return lambda _: payload


def data(*items: Any, **changes: Any) -> Make:
    """A data message as JSON; ``changes`` replace members of its envelope."""
    return lambda device: json.dumps(device.envelope("data", list(items), **changes)).encode()


def replaced(**members: Any) -> Make:
    return lambda device: json.dumps(device.envelope("data", []) | members).encode()


def packed(*items: Any, **changes: Any) -> Make:
    return lambda device: msgspec.msgpack.encode(device.envelope("data", list(items), **changes))


def alerts(*items: Any, **changes: Any) -> Make:
    return lambda device: json.dumps(device.envelope("alert", list(items), **changes)).encode()


def with_fields(item: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return item | {"fields": fields}


METRIC = {"mono_ms": 1, "name": "t", "value": 1.0}
NAN = METRIC | {"value": float("nan")}
GIF = alert() | {"image": {"type": "image/gif", "data": ""}}
SECRET = "Eve"  # noqa: S105 -- the name of a person, which no log line may hold

# Nobody can say which message of which stream it is: it is counted, and not answered.
NOWHERE = [
    Attack("no JSON", raw(b'{"v":1,"epoch"'), "truncated"),
    Attack("empty", raw(b""), "truncated"),
    Attack("no UTF-8", raw(b"\xff\xfe"), "malformed"),
    Attack("deep", raw(b"[" * 100_000), "Expected `object`"),
    Attack("a list", raw(b"[]"), "Expected `object`"),
    Attack("no MessagePack", raw(b"\xc1\x00"), "MessagePack", content=MSGPACK),
    Attack("cut MessagePack", raw(b"\x8a\xa1v"), "truncated", content=MSGPACK),
    Attack("JSON called MessagePack", data(result()), "Expected `object`", content=MSGPACK),
    Attack("MessagePack called JSON", packed(result()), "JSON", content=JSON),
    Attack("seq is a text", data(result(), seq="1"), "$.seq"),
    Attack("seq is 0", data(result(), seq=0), "$.seq"),
    Attack("epoch is too large", data(result(), epoch=2**53), "$.epoch"),
    Attack("no epoch", data(result(), epoch=None), "epoch"),
    Attack("no status", raw(b"{}"), "status", channel="status"),
    Attack("a content type", data(result()), "neither JSON nor MessagePack", content="image/png"),
    Attack("retained data", data(result()), "be retained", "retained", retain=True),
    Attack("a retained alert", alerts(alert()), "be retained", "retained", "alert", retain=True),
]

# It takes its place as a dead letter, so that the next one gets through.
IN_PLACE = [
    Attack("another version", data(result(), v=2), "$.v"),
    Attack("unknown type", data(result(), type="video"), "$.type"),
    Attack("no type", data(result(), type=None), "type must be"),
    Attack("a type on alerts", alerts(alert(), type="log"), "type must be", channel="alert"),
    Attack("an unknown key", data(result(), priority=9), "priority"),
    Attack("base above seq", data(result(), base=5), "base is above seq"),
    Attack("no items", data(), "1 to 100"),
    Attack("too many items", data(*[result()] * 101), "1 to 100"),
    Attack("items no list", replaced(items={}), "items"),
    Attack("a score in words", data(result() | {"score": "high"}), "score"),
    Attack("a score above 1", data(result() | {"score": 1.5}), "score"),
    Attack("items of another type", data(METRIC), "items"),
    Attack("an item's unknown key", data(result() | {"gps": 1}), "gps"),
    Attack("MessagePack items", packed({"mono_ms": b"1"}), "items", content=MSGPACK),
    Attack("another picture", alerts(GIF), "image", channel="alert"),
    Attack("undeclared", data(with_fields(result(), operator=SECRET)), "'operator'", "contract"),
    Attack(
        "a field's type",
        alerts(with_fields(alert(), defect_share=SECRET)),
        "'defect_share' must be a number",
        "contract",
        "alert",
    ),
    Attack(
        "a field's range",
        alerts(with_fields(alert(), defect_share=7)),
        "'defect_share' is above its maximum",
        "contract",
        "alert",
    ),
    Attack("no number", packed(NAN, type="metric"), "not a finite", "contract", content=MSGPACK),
]
