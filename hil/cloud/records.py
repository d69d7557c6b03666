"""From stored columns back to what a person reads: one object a record. Pure."""

import base64
from typing import Final

import msgspec

from hil.cloud.batch import Batch

Value = int | float | str | None
Record = dict[str, Value]

_FIELD_PREFIX: Final = "field."


def records(batch: Batch) -> list[Record]:
    """Return the records of ``batch``: labels by name, numbers divided by their scale, Unix times.

    A picture stays in base64: ``pictures`` gives its bytes.
    """
    document = batch.document
    rows: list[Record] = [{} for _ in range(document.items)]
    for name, column in batch.columns.items():
        labels = document.labels.get(name)
        scale = document.scale.get(name)
        time_s = document.t0_s
        for row, value in zip(rows, column, strict=True):
            if not isinstance(value, int):
                row[name] = value
            elif name == "time_s":
                time_s += value
                row[name] = time_s
            elif labels is not None:
                row[name] = labels[value]
            elif scale is not None:
                row[name] = value / scale
            else:
                row[name] = value
    return rows


def pictures(rows: list[Record]) -> list[tuple[int, bytes]]:
    """Return (position of the record, PNG) for each record that has a picture."""
    found = ((at, row.get("picture")) for at, row in enumerate(rows))
    return [(at, base64.b64decode(text)) for at, text in found if isinstance(text, str)]


def readable(row: Record) -> Record:
    """Return ``row`` for a terminal: a picture is told by its size, a field by its bare name."""
    shown: Record = {}
    for name, value in row.items():
        if name == "picture" and isinstance(value, str):
            shown[name] = f"<PNG of {len(base64.b64decode(value))} bytes>"
        else:
            shown[name.removeprefix(_FIELD_PREFIX)] = value
    return shown


def plain_bytes(rows: list[Record]) -> int:
    """Return the size of the records as compact JSON, one a line: the reference of a ratio."""
    return sum(len(msgspec.json.encode(row)) + 1 for row in rows)
