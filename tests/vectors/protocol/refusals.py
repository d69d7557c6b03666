"""Messages that the gateway refuses, with the reason, and whether their place can be read.

A message with a readable place takes it: the mark passes it, and the refusal stands in the
receipt. Without one there is no receipt for it at all.
"""

import base64
import math
from typing import Any, Final

from tests.vectors.protocol.payload import (
    FRAME,
    JSON,
    MESSAGEPACK,
    NUMBER_MAX,
    PNG,
    Document,
    alert,
    as_json,
    as_messagepack,
    envelope,
    log,
    metric,
    result,
    sent,
)

PLACE: Final = {"epoch": 7, "seq": 3, "base": 1}
LOG: Final = as_json(envelope([log()], type="log"))


def refused(  # noqa: PLR0913 -- a vector's members
    name: str,
    reason: str,
    payload: str | bytes,
    *,
    topic: str = "data",
    content_type: str = JSON,
    retained: bool = False,
    place: Document | None = None,
) -> Document:
    """Return the vector of a message that is refused."""
    return {
        "name": name,
        "topic": topic,
        "content_type": content_type,
        **({"retained": True} if retained else {}),
        **sent(payload),
        "expect": {"refused": reason, "place": place},
    }


def placed(name: str, reason: str, document: Document, topic: str = "data") -> Document:
    """Return the vector of a refused message whose place can be read."""
    return refused(name, reason, as_json(document), topic=topic, place=PLACE)


def binary(name: str, reason: str, document: Document, topic: str = "data") -> Document:
    """Return the same in MessagePack."""
    return refused(
        name,
        reason,
        as_messagepack(document),
        topic=topic,
        content_type=MESSAGEPACK,
        place=PLACE,
    )


def one(kind: str, item: Document) -> Document:
    """Return an envelope with one item of ``kind``."""
    return envelope([item], type=kind)


def envelopes() -> list[Document]:
    """Return what is wrong with the envelope while its place can still be read."""
    many = envelope([log()] * 101, type="log")
    changes: dict[str, Document] = {
        "no version": {"v": ...},
        "version 2": {"v": 2},
        "an unknown member": {"sequence": 3},
        "no boot": {"boot": ...},
        "an empty boot": {"boot": ""},
        "a boot of 65 characters": {"boot": "b" * 65},
        "no mono_ms": {"mono_ms": ...},
        "a negative mono_ms": {"mono_ms": -1},
        "a mono_ms with a fraction": {"mono_ms": 1.5},
        "a mono_ms of 54 bits": {"mono_ms": NUMBER_MAX + 1},
        "a time as text": {"time": "2026-01-01T00:00:00Z"},
        "a time of 54 bits": {"time": NUMBER_MAX + 1},
        "no type on up/data": {"type": ...},
        "a type that is none": {"type": "video"},
        "alerts on up/data": {"type": "alert"},
        "no items": {"items": ...},
        "items that are no list": {"items": {}},
        "an empty list of items": {"items": []},
        "items of another type": {"type": "metric"},
        "a base above the seq declares no gap, as if it were 1": {"base": 4},
    }
    found = [
        placed(name, "malformed", envelope([log()], **{"type": "log"} | change))
        for name, change in changes.items()
    ]
    return [
        *found,
        placed("101 items", "malformed", many),
        placed("a type on up/alert", "malformed", envelope([alert()], type="log"), "alert"),
        placed("results on up/alert", "malformed", envelope([result()]), "alert"),
    ]


def items() -> list[Document]:
    """Return what is wrong with an item, by the schema or by the contract."""
    picture = {"type": "image/png", "data": PNG}
    wrong: dict[str, tuple[str, Document]] = {
        "an unknown member of an item": ("result", result(colour="red")),
        "a result without its model": ("result", {"mono_ms": 1, "label": "ok", "score": 1}),
        "an empty model": ("result", result(model="")),
        "a model of 129 characters": ("result", result(model="m" * 129)),
        "a label of 65 characters": ("result", result(label="l" * 65)),
        "a score above 1": ("result", result(score=1.01)),
        "a score as text": ("result", result(score="0.5")),
        "a negative latency": ("result", result(latency_ms=-0.1)),
        "a latency of more than a day": ("result", result(latency_ms=86_400_000.5)),
        "17 stages": ("result", result(stages_ms={f"s{n}": 1 for n in range(17)})),
        "negative energy": ("result", result(energy_j=-1)),
        "65 fields": ("result", result(fields={f"f{n}": 1 for n in range(65)})),
        "a field that is true": ("result", result(fields={"defect_share": True})),
        "a field that is a list": ("result", result(fields={"defect_share": [1]})),
        "a metric with fields": ("metric", metric(fields={})),
        "a metric's value as text": ("metric", metric(value="48")),
        "a unit of 17 characters": ("metric", metric(unit="u" * 17)),
        "a log of a severity that is none": ("log", log(severity="debug")),
        "a template of 257 characters": ("log", log(template="t" * 257)),
        "a message of 1025 characters": ("log", log(message="m" * 1025)),
    }
    breaking: dict[str, tuple[str, Document]] = {
        "a field that the contract does not declare": ("result", result(fields={"speed": 1})),
        "a field that is declared for other items": ("log", log(fields={"defect_share": 0.5})),
        "a field below its minimum": ("result", result(fields={"defect_share": -0.01})),
        "a field above its maximum": ("result", result(fields={"defect_share": 1.01})),
        "text where the contract wants a number": ("result", result(fields={"defect_share": "1"})),
        "a number where the contract wants text": ("result", result(fields={"zone": 1})),
        "a field with too many characters": ("result", result(fields={"zone": "far-right"})),
    }
    alerts: dict[str, Document] = {
        "an alert without its id": {"kind": "k", "severity": "major", "label": "l", "score": 1},
        "an alert of a severity that is none": alert(severity="fatal"),
        "a picture of a type that is none": alert(image=picture | {"type": "image/bmp"}),
        "a picture in base64 without padding": alert(image=picture | {"data": "aGk"}),
        "a picture in the URL alphabet of base64": alert(image=picture | {"data": "_-8="}),
    }
    return [
        *(placed(name, "malformed", one(*pair)) for name, pair in wrong.items()),
        *(placed(name, "contract", one(*pair)) for name, pair in breaking.items()),
        *(placed(name, "malformed", envelope([it]), "alert") for name, it in alerts.items()),
        refused(
            "a letter of an item that is no UTF-8",
            "malformed",
            LOG.encode().replace(b"device", b"\xff"),
            place=PLACE,
        ),
        placed(
            "a whole frame beside an alert",
            "frame",
            envelope([alert(image=picture | {"data": FRAME})]),
            "alert",
        ),
        placed(
            "a picture in the text of a log",
            "frame",
            one("log", log(message=base64.b64encode(PNG).decode())),
        ),
        binary(
            "a picture as text in MessagePack",
            "malformed",
            envelope([alert(image=picture | {"data": "aGk="})]),
            "alert",
        ),
        binary(
            "a score that is no number (NaN)", "malformed", one("result", result(score=math.nan))
        ),
        binary(
            "a metric that is no number (NaN)", "contract", one("metric", metric(value=math.nan))
        ),
        binary("an infinite energy", "contract", one("result", result(energy_j=math.inf))),
    ]


def unplaced() -> list[Document]:
    """Return payloads of which not even the place can be read, and misused topics."""
    packed = as_messagepack(envelope([log()], type="log"))
    texts: dict[str, str | bytes] = {
        "nothing": "",
        "JSON that is cut short": LOG[:40],
        "text after the end": LOG + "x",
        "a byte order mark": b"\xef\xbb\xbf" + LOG.encode(),
        "a list": "[1,2,3]",
        "NaN in JSON": LOG.replace("812345", "NaN"),
    }
    keys: dict[str, dict[str, Any]] = {
        "no epoch": {"epoch": ...},
        "epoch 0": {"epoch": 0},
        "an epoch of 54 bits": {"epoch": NUMBER_MAX + 1},
        "seq 0": {"seq": 0},
        "a seq as text": {"seq": "3"},
        "a seq as true": {"seq": True},
        "no base": {"base": ...},
        "base 0": {"base": 0},
    }
    packs = {
        "MessagePack that is cut short": packed[:-3],
        "a byte after the end of MessagePack": packed + b"\0",
        "JSON that calls itself MessagePack": LOG.encode(),
    }
    return [
        *(refused(name, "malformed", text) for name, text in texts.items()),
        *(
            refused(name, "malformed", as_json(envelope([log()], **{"type": "log"} | change)))
            for name, change in keys.items()
        ),
        refused("a seq written as 3.0", "malformed", LOG.replace('"seq":3', '"seq":3.0')),
        *(refused(name, "malformed", raw, content_type=MESSAGEPACK) for name, raw in packs.items()),
        refused("MessagePack without its content type", "malformed", packed, content_type=""),
        refused("a content type with a parameter", "malformed", LOG, content_type=f"{JSON}; v=1"),
        refused("a data message with the retain flag", "retained", LOG, retained=True),
        refused("an alert with the retain flag", "retained", LOG, topic="alert", retained=True),
        refused("a picture and nothing else", "frame", FRAME),
        refused("a topic that is none", "unknown-topic", LOG, topic="logs"),
        refused("a topic with one level too many", "unknown-topic", LOG, topic="data/left"),
    ]


def vectors() -> list[Document]:
    """Return all of them."""
    return [*envelopes(), *items(), *unplaced()]
