"""Items of a message as the contract check leaves them: typed, bounded, still of one device.

Shapes follow ``docs/device-protocol.md`` (items). What leaves the site is
another type, ``model.outgoing``; ``uplink`` and ``web`` may not import this file.
"""

from typing import Annotated, Literal

import msgspec

from gateway.model.readings import MetricItem

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Duration = Annotated[float, msgspec.Meta(ge=0, le=86_400_000)]
Severity = Literal["critical", "major", "minor", "warning"]
LogSeverity = Literal["error", "warning", "info"]
Fields = Annotated[dict[Name, float | Text], msgspec.Meta(max_length=64)]
"""Named numbers or short strings that the device's contract declares."""


class Image(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture that belongs to an alert; base64 in JSON, binary in MessagePack."""

    type: Literal["image/png", "image/jpeg"]
    data: Annotated[bytes, msgspec.Meta(max_length=262_144)]

    def __repr__(self) -> str:
        return f"Image({self.type}, {len(self.data)} bytes)"


class AlertItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something a person should look at. ``score`` is the model's, 0 to 1."""

    id: Name
    kind: Name
    severity: Severity
    label: Name
    score: Share
    image: Image | None = None
    fields: Fields = {}


class ResultItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One inference. ``model`` is ``name@version``; times in milliseconds, energy in joule."""

    mono_ms: Milliseconds
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    label: Name
    score: Share
    latency_ms: Duration
    stages_ms: Annotated[dict[Name, Duration], msgspec.Meta(max_length=16)] = {}
    energy_j: Annotated[float, msgspec.Meta(ge=0)] | None = None
    fields: Fields = {}


class LogItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One log line: ``template`` is a fixed text of the firmware, ``message`` is free text."""

    mono_ms: Milliseconds
    severity: LogSeverity
    template: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    message: Text = ""
    fields: Fields = {}

    def __repr__(self) -> str:
        return f"LogItem({self.severity}, message=<private>)"


Item = AlertItem | ResultItem | MetricItem | LogItem
