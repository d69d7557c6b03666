"""Statuses, and which of them the gateway answers with a receipt."""

from typing import Any, Final

from tests.vectors.protocol.payload import (
    BOOT,
    JSON,
    MESSAGEPACK,
    NUMBER_MAX,
    TIME_MS,
    Document,
    as_json,
    as_messagepack,
    sent,
)

SLOT: Final = {
    "slot": "model",
    "name": "surface-defects",
    "version": "1.2.0",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "state": "active",
}
LAST: Final = {"epoch": 7, "alert": 17, "data": 1234}


def status(**changes: Any) -> Document:
    """Return a whole status; a change to ``...`` leaves a member out."""
    whole: Document = {
        "v": 1,
        "state": "online",
        "profile": "factory-camera-v2",
        "agent": "linedevice/0.1",
        "boot": BOOT,
        "synced": True,
        "slots": [SLOT],
        "production": "running",
        "desired_rev": 0,
        "last": LAST,
        "time": TIME_MS,
    }
    return {key: value for key, value in (whole | changes).items() if value is not ...}


def understood(
    name: str,
    document: Document,
    *,
    answered: bool = True,
    retained: bool = False,
    content_type: str = JSON,
) -> Document:
    """Return the vector of a good status."""
    raw = as_messagepack(document) if content_type == MESSAGEPACK else as_json(document)
    return {
        "name": name,
        "content_type": content_type,
        **({"retained": True} if retained else {}),
        **sent(raw),
        "expect": {"state": document["state"], "last": document["last"], "answered": answered},
    }


def vectors() -> list[Document]:
    """Return all of them."""
    short = status(slots=..., production=..., desired_rev=..., time=...)
    empty = SLOT | {"name": "", "version": "", "sha256": "", "state": "empty"}
    fresh = dict.fromkeys(("epoch", "alert", "data"), 0) | {"epoch": NUMBER_MAX}
    wrong: dict[str, Document] = {
        "no version": {"v": ...},
        "version 2": {"v": 2},
        "a state that is none": {"state": "asleep"},
        "no profile": {"profile": ...},
        "a profile of 129 characters": {"profile": "p" * 129},
        "no boot": {"boot": ...},
        "a boot of 65 characters": {"boot": "b" * 65},
        "synced as text": {"synced": "yes"},
        "17 slots": {"slots": [SLOT] * 17},
        "a slot without its state": {"slots": [{k: v for k, v in SLOT.items() if k != "state"}]},
        "a digest in capitals": {"slots": [SLOT | {"sha256": "A" * 64}]},
        "a production that is none": {"production": "perhaps"},
        "a negative revision": {"desired_rev": -1},
        "no last": {"last": ...},
        "last without its epoch": {"last": {"alert": 0, "data": 0}},
        "a negative last number": {"last": LAST | {"alert": -1}},
        "a last number of 54 bits": {"last": LAST | {"data": NUMBER_MAX + 1}},
        "an unknown member": {"uptime": 5},
        "a time as text": {"time": "noon"},
    }
    return [
        understood("a whole status", status()),
        understood("a status in MessagePack", status(), content_type=MESSAGEPACK),
        understood("a status without a content type", status(), content_type=""),
        understood("a status with no more than it must have", short),
        understood("a first start: nothing sent yet", status(last=fresh, time=None)),
        understood("an empty slot", status(slots=[empty], production="unknown")),
        understood("sixteen slots", status(slots=[SLOT] * 16, production="stopped")),
        understood("the last will", status(state="offline"), answered=False),
        understood("a status that the broker had kept", status(), answered=False, retained=True),
        *(
            {
                "name": name,
                "content_type": JSON,
                **sent(as_json(status(**change))),
                "expect": {"refused": "malformed"},
            }
            for name, change in wrong.items()
        ),
    ]
