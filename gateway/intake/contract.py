"""Does an item fit its device's data contract? Pure, and total: it answers, never raises."""

import math
import re
from collections.abc import Iterator
from typing import Final

from gateway.model.contract import Contract, FieldRule, ItemKind
from gateway.model.frame import Frame, frame_in, spelled_in
from gateway.model.readings import MetricItem
from gateway.model.telemetry import AlertItem, Fields, Item, LogItem, ResultItem

PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
"""A name of a device's choice is repeated only if it is a word: free text stays out of the log."""


def breach(contract: Contract, items: tuple[Item, ...]) -> str | None:
    """Return the first thing that ``contract`` does not allow, naming item and field; else None.

    The sentence names fields and rules, never values, nor what might be one.
    """
    for number, item in enumerate(items):
        for what in _item(contract, item):
            return f"item {number}: {what}"
    return None


def frame(contract: Contract, items: tuple[Item, ...]) -> Frame | None:
    """Return what in ``items`` is taken for a frame of the camera feed, which nobody may send."""
    images = (item.image for item in items if isinstance(item, AlertItem) and item.image)
    found = frame_in(contract.camera, images)
    if found is None and spelled_in(text for item in items for text in _texts(item)):
        return Frame.TEXT
    return found


def _texts(item: Item) -> Iterator[str]:
    """Yield every text of a device's choice."""
    match item:
        case AlertItem():
            yield from (item.id, item.kind, item.label)
        case ResultItem():
            yield from (item.model, item.label, *item.stages_ms)
        case LogItem():
            yield from (item.template, item.message)
        case MetricItem():
            yield item.name
            return
    yield from (value for value in item.fields.values() if isinstance(value, str))


def _item(contract: Contract, item: Item) -> Iterator[str]:
    match item:
        case AlertItem():
            yield from _fields(contract, "alert", item.fields)
        case ResultItem():
            if item.energy_j is not None and not math.isfinite(item.energy_j):
                yield "energy_j is not a finite number"
            yield from _fields(contract, "result", item.fields)
        case LogItem():
            yield from _fields(contract, "log", item.fields)
        case MetricItem():
            if not math.isfinite(item.value):
                known = item.name if PLAIN_NAME.fullmatch(item.name) else "of an odd name"
                yield f"metric {known} is not a finite number"


def _fields(contract: Contract, kind: ItemKind, fields: Fields) -> Iterator[str]:
    for name, value in fields.items():
        rule = contract.fields.get(name)
        if rule is None or kind not in rule.items:
            known = repr(name) if PLAIN_NAME.fullmatch(name) else "of an odd name"
            yield f"field {known} is not declared for {kind} items in contract {contract.name}"
        else:
            yield from _value(name, rule, value)


def _value(name: str, rule: FieldRule, value: float | str) -> Iterator[str]:
    if isinstance(value, str):
        if rule.type != "string":
            yield f"field {name!r} must be a number"
        elif len(value) > rule.max_chars:
            yield f"field {name!r} is longer than {rule.max_chars} characters"
    elif rule.type != "number":
        yield f"field {name!r} must be a string"
    elif not math.isfinite(value):
        yield f"field {name!r} is not a finite number"
    elif rule.minimum is not None and value < rule.minimum:
        yield f"field {name!r} is below its minimum {rule.minimum:g}"
    elif rule.maximum is not None and value > rule.maximum:
        yield f"field {name!r} is above its maximum {rule.maximum:g}"
