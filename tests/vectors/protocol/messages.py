"""Messages that the gateway takes. Each one a firmware should be able to send, or could."""

from typing import Final

from tests.vectors.protocol.payload import (
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

PICTURE: Final = {"type": "image/png", "data": PNG}
SHUFFLED: Final = (
    ' {\n"items": [{"template":"device-started", "severity" : "info","mono_ms":5}],\t"type": "log",'
    '\r\n"time": null, "mono_ms": 5, "boot": "b", "base": 1, "seq": 3, "epoch": 7, "v": 1 } \n'
)
FULL_RESULT: Final = result(
    stages_ms={"capture": 3.25, "infer": 38.25},
    energy_j=0.37,
    fields={"defect_share": 0.125, "zone": "left"},
)


def taken(  # noqa: PLR0913 -- a vector's members
    name: str,
    kind: str,
    document: Document,
    *,
    content_type: str = JSON,
    payload: str | bytes | None = None,
    items: int = 1,
) -> Document:
    """Return the vector of a message that is taken as one of class ``kind``."""
    if payload is None:
        binary = content_type == MESSAGEPACK
        payload = as_messagepack(document) if binary else as_json(document)
    return {
        "name": name,
        "topic": "alert" if kind == "alert" else "data",
        "content_type": content_type,
        **sent(payload),
        "expect": {
            "class": kind,
            "items": items,
            "place": {key: document[key] for key in ("epoch", "seq", "base")},
        },
    }


def half_precision(document: Document) -> bytes:
    """Return MessagePack whose 0.5 is a float of 32 bits, as a microcontroller writes it."""
    whole = as_messagepack(document)
    short = whole.replace(b"\xcb\x3f\xe0\0\0\0\0\0\0", b"\xca\x3f\0\0\0")
    assert len(short) == len(whole) - 4
    return short


def vectors() -> list[Document]:
    """Return all of them."""
    picture = envelope([alert(image=PICTURE, fields={"defect_share": 0.125})], seq=17, base=12)
    bare_alert = envelope([alert()], time=...)
    bare_result = envelope([result()], type="result", time=...)
    largest = dict.fromkeys(("epoch", "seq", "base", "mono_ms", "time"), NUMBER_MAX)
    smallest = {"epoch": 1, "seq": 1, "base": 1, "boot": "b", "mono_ms": 0, "time": -NUMBER_MAX}
    logs = [log(message="Kühlung läuft, 48 °C", fields={"zone": "left"}), log(severity="error")]
    shuffled = envelope([log()], type="log")
    wide = envelope([result(label="\U0001f9f1" * 64)], type="result")
    sharp = envelope([result(score=0.5)], type="result")
    return [
        taken("an alert with its picture", "alert", picture),
        taken(
            "the same alert in MessagePack, its picture as bytes",
            "alert",
            picture,
            content_type=MESSAGEPACK,
        ),
        taken("an alert with no more than it must have", "alert", bare_alert),
        taken("two alerts in one message", "alert", envelope([alert(), alert(id="b")]), items=2),
        taken(
            "scores at both ends, written as integers",
            "alert",
            envelope([alert(score=0), alert(score=1)]),
            items=2,
        ),
        taken("a result with all it may have", "result", envelope([FULL_RESULT], type="result")),
        taken(
            "a result with no more than it must have, without a content type",
            "result",
            bare_result,
            content_type="",
        ),
        taken(
            "a hundred results",
            "result",
            envelope([result(mono_ms=n) for n in range(100)], type="result"),
            items=100,
        ),
        taken(
            "metrics",
            "metric",
            envelope([metric(), metric(name="frames_total", value=-1.5, unit="1")], type="metric"),
            items=2,
        ),
        taken(
            "a metric in MessagePack",
            "metric",
            envelope([metric(unit="")], type="metric"),
            content_type=MESSAGEPACK,
        ),
        taken(
            "log lines, one with letters beyond ASCII",
            "error-log",
            envelope(logs, type="log"),
            items=2,
        ),
        taken(
            "the largest numbers", "log", envelope([log(mono_ms=NUMBER_MAX)], type="log", **largest)
        ),
        taken("the smallest numbers", "log", envelope([log(mono_ms=0)], type="log", **smallest)),
        taken(
            "a wall clock that is not known is null",
            "log",
            envelope([log()], type="log", time=None),
        ),
        taken(
            "members in another order, with white space",
            "log",
            shuffled,
            payload=SHUFFLED,
        ),
        taken(
            "text with escapes",
            "log",
            envelope([log()], type="log"),
            payload=as_json(envelope([log(message="?")], type="log")).replace(
                "?", r"\u0041\n\"\\\/\ud83e\uddf1"
            ),
        ),
        taken("a label of 64 characters of four bytes each", "result", wide),
        taken(
            "a float of 32 bits",
            "result",
            sharp,
            content_type=MESSAGEPACK,
            payload=half_precision(sharp),
        ),
    ]
