"""Items of a message as the contract check leaves them: typed, bounded, still of one device.

Shapes follow ``docs/device-protocol.md`` (items). What leaves the site is
another type, ``model.outgoing``; ``uplink`` and ``web`` may not import this file.
"""

from typing import Literal

import msgspec

Severity = Literal["critical", "major", "minor", "warning"]
LogSeverity = Literal["error", "warning", "info"]
Fields = dict[str, float | str]
"""Named numbers or short strings that the device's contract declares."""


class Image(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture that belongs to an alert; base64 in JSON, binary in MessagePack."""

    type: Literal["image/png", "image/jpeg"]
    data: bytes

    def __repr__(self) -> str:
        return f"Image({self.type}, {len(self.data)} bytes)"


class AlertItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something a person should look at. ``score`` is the model's, 0 to 1."""

    id: str
    kind: str
    severity: Severity
    label: str
    score: float
    image: Image | None = None
    fields: Fields = {}


class ResultItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One inference. ``model`` is ``name@version``; times in milliseconds, energy in joule."""

    mono_ms: int
    model: str
    label: str
    score: float
    latency_ms: float
    stages_ms: dict[str, float] = {}
    energy_j: float | None = None
    fields: Fields = {}


class LogItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One log line: ``template`` is a fixed text of the firmware, ``message`` is free text."""

    mono_ms: int
    severity: LogSeverity
    template: str
    message: str = ""
    fields: Fields = {}

    def __repr__(self) -> str:
        return f"LogItem({self.severity}, message=<private>)"
