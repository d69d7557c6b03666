"""How messages of a device that cannot speak the protocol become items: its topic map.

Part of a ``profile.yaml``. A stock camera or a PLC publishes what it likes on its own
topics; the map says which topics, and what of a payload is an alert, a result, a metric or
a log line. A text that begins with ``$`` is a path into the payload (``$.event.score``,
``$.axes.0.temp``, ``$`` for the whole of it); every other value is a constant.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal, get_args

import msgspec

ID_LEVEL: Final = "{id}"
"""Stands for the device's id, as one whole level of a topic."""
UNSEQUENCED_EPOCH: Final = 0
"""The epoch of messages that the gateway has numbered itself; a device draws none below 1."""

AlertWord = Literal["critical", "major", "minor", "warning"]
LogWord = Literal["error", "warning", "info"]
ALERT_WORDS: Final[tuple[str, ...]] = get_args(AlertWord)
LOG_WORDS: Final[tuple[str, ...]] = get_args(LogWord)
Word = Literal["critical", "major", "minor", "warning", "error", "info"]

_PATH: Final = re.compile(r"\$((?:\.[^.\s]{1,64}){0,8})")

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
"""A constant text, or a path into the payload."""
Value = Text | float
"""A constant, or a path into the payload."""
FieldValues = Annotated[dict[str, Value], msgspec.Meta(max_length=64)]


def is_path(value: object) -> bool:
    """Tell whether a value of a map is meant as a path into the payload."""
    return isinstance(value, str) and value.startswith("$")


def steps(path: str) -> tuple[str, ...] | None:
    """Return the steps of a path, () for the whole payload; None where it is no path."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    return tuple(found[1].split(".")[1:])


class AlertMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One alert for each payload. Without ``id`` the gateway gives it one."""

    kind: Text
    severity: Text
    label: Text
    score: Value = 1.0
    id: Text | None = None
    fields: FieldValues = {}


class ResultMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One result for each payload."""

    model: Text
    label: Text
    score: Value
    latency_ms: Value
    fields: FieldValues = {}


class MetricMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reading of each payload; ``unit`` is a UCUM code."""

    name: Text
    value: Text
    unit: Annotated[str, msgspec.Meta(max_length=16)] = ""


class LogMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One log line for each payload. ``template`` is a constant: it may leave the site."""

    severity: Text
    template: Text
    message: Annotated[str, msgspec.Meta(max_length=256)] = ""
    fields: FieldValues = {}


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which payloads count: those whose value at ``path`` is ``equals``."""

    path: Text
    equals: bool | float | str


class TopicRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One topic of a device, and the one kind of items that its payloads become."""

    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    payload: Literal["json", "text"]
    when: Condition | None = None
    severities: Annotated[dict[str, Word], msgspec.Meta(max_length=32)] = {}
    """The device's own words for a severity, and ours."""
    alert: AlertMap | None = None
    result: ResultMap | None = None
    metrics: Annotated[tuple[MetricMap, ...], msgspec.Meta(max_length=32)] = ()
    log: LogMap | None = None

    def blocks(self) -> Iterator[tuple[str, "AlertMap | ResultMap | MetricMap | LogMap"]]:
        """Yield (kind of item, what makes one), as often as a payload makes one."""
        for kind, block in (("alert", self.alert), ("result", self.result), ("log", self.log)):
            if block is not None:
                yield kind, block
        for metric in self.metrics:
            yield "metric", metric

    def of(self, device: str) -> str:
        """Return the topic on which ``device`` publishes."""
        return self.topic.replace(ID_LEVEL, device)

    @property
    def topic_filter(self) -> str:
        """The subscription that hears this topic of every device."""
        return self.topic.replace(ID_LEVEL, "+")
