"""How the vectors are written: envelopes, and both encodings, without any code of the project.

JSON is compact, in the order of the tables of docs/device-protocol.md; a device need not
write it so. Whoever changes a byte here changes a promise to firmware that is in the field.
"""

import base64
import json
from typing import Any, Final

import msgspec

JSON: Final = "application/json"
MESSAGEPACK: Final = "application/msgpack"
BOOT: Final = "6f1c02d9a4e83b57"
TIME_MS: Final = 1_767_225_600_000
NUMBER_MAX: Final = 2**53 - 1
PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAJUlEQVR42mOQOwEBDCfkYAwoC8iAsEAMMAvMALEgDCALyjgh"
    "BwBJYiyxEjQx5wAAAABJRU5ErkJggg=="
)
"""A picture of 8 by 8 pixels."""
FRAME: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgAQAAAAAdquFJAAAAPUlEQVR42u3BAQ0AAADCoPdPbQ43oAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADgzwCX4AABS8wbSgAAAABJRU5ErkJggg=="
)
"""A black one of 640 by 480 pixels: a whole frame."""

Document = dict[str, Any]


def as_json(document: Any) -> str:
    """Return compact JSON; bytes become base64 (RFC 4648, section 4)."""
    return json.dumps(
        document,
        separators=(",", ":"),
        ensure_ascii=False,
        default=lambda raw: base64.b64encode(raw).decode(),
    )


def as_messagepack(document: Any) -> bytes:
    """Return MessagePack; bytes stay bytes."""
    return msgspec.msgpack.encode(document)


def envelope(items: list[Document], /, **changes: Any) -> Document:
    """Return an envelope in the documented order; a change to ``...`` leaves a member out."""
    whole: Document = {
        "v": 1,
        "epoch": 7,
        "seq": 3,
        "base": 1,
        "boot": BOOT,
        "mono_ms": 812_345,
        "time": TIME_MS,
        "type": ...,
        "items": items,
    }
    return {key: value for key, value in (whole | changes).items() if value is not ...}


def sent(payload: str | bytes) -> Document:
    """Return the members of a vector that say what is on the wire."""
    if isinstance(payload, str):
        return {"payload": payload}
    return {"payload_base64": base64.b64encode(payload).decode()}


def alert(**changes: Any) -> Document:
    """Return an alert item without a picture."""
    plain = {"id": "a-000017", "kind": "defect", "severity": "major", "label": "scratch"}
    return plain | {"score": 0.94} | changes


def result(**changes: Any) -> Document:
    """Return a result item with what it must have."""
    plain = {"mono_ms": 812_300, "model": "surface-defects@1.2.0", "label": "ok", "score": 0.98}
    return plain | {"latency_ms": 41.5} | changes


def metric(**changes: Any) -> Document:
    """Return a metric item."""
    return {"mono_ms": 812_340, "name": "soc_temperature", "value": 48.25, "unit": "Cel"} | changes


def log(**changes: Any) -> Document:
    """Return a log item with what it must have."""
    return {"mono_ms": 812_345, "severity": "info", "template": "device-started"} | changes
