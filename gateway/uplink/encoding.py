"""Rows of one class as quantised columns in JSON under zstd: ``docs/upload-protocol.md``.

One document, one zstd frame that states its size. Numbers are integers whose divisor
stands in ``scale``, words are places in ``labels``, times are differences: runs of similar
small integers are what compresses.

Privacy:
    Every column comes from a field of ``model.outgoing`` or from a contract field that
    leaves. There is no column for a device, and rows in any but their canonical order
    are refused, since order could tell which device sent them.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar, assert_never

import msgspec
import zstandard

from gateway.model.contract import ContractInForce
from gateway.model.outcome import MessageClass
from gateway.model.outgoing import AlertRow, LogRow, OutgoingRow, Released, ResultRow
from gateway.uplink.batch import Batch

VERSION: Final = 1
LEVEL: Final = 9
"""Measured on line telemetry: a tenth smaller than level 3; 19 costs 80 times the CPU of 9."""
SCORE_SCALE: Final = 1000
LATENCY_SCALE: Final = 10
LABELS_MAX: Final = 10_000
"""A column with more different words is written out, as the receiver bounds its lists."""

WIRE_CLASS: Final = {MessageClass.ERROR_LOG: MessageClass.LOG.value}
"""Urgent or not, a record of a log is the same to the receiver."""

PICTURE: Final = "picture"
FIELD: Final = "field."

Cell = int | str | None
_R = TypeVar("_R", AlertRow, ResultRow, LogRow)


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns before coding. A word is a ``str``, what is in ``scale`` is quantised."""

    columns: dict[str, list[Cell]]
    scale: dict[str, int]
    t0_s: int = 0  # of logs, which carry no time


def encode(  # noqa: PLR0913 -- each says one thing of the batch
    rows: Sequence[OutgoingRow],
    message_class: MessageClass,
    *,
    messages: int,
    site: str,
    contract: ContractInForce,
    nonce: str,
) -> Batch:
    """Seal ``rows``, which came from ``messages`` messages under ``contract``.

    ``nonce`` is 32 fresh hexadecimal digits: without it, two batches of equal rows (the
    same log line, counted once a minute) would bear one name, and the receiver would
    take the second for a resend of the first.

    Rows must be of ``message_class`` and in canonical order (``privacy.anonymise.blend``).
    Equal arguments give equal bytes with the same zstd library, and may give others
    after an upgrade of it: so the result is stored, never computed again.

    Raises:
        ValueError: there is nothing to send, the rows are not in order, or the class
            never leaves as rows.
        TypeError: a row is of another class.
    """
    if not rows or messages < 1:
        msg = f"nothing to seal: {len(rows)} rows of {messages} messages"
        raise ValueError(msg)
    match message_class:
        case MessageClass.ALERT:
            table = _alerts(_checked(AlertRow, rows), contract)
        case MessageClass.RESULT:
            table = _results(_checked(ResultRow, rows), contract)
        case MessageClass.LOG | MessageClass.ERROR_LOG:
            table = _logs(_checked(LogRow, rows))
        case MessageClass.METRIC:
            msg = "metrics do not leave as rows"
            raise ValueError(msg)
        case _:
            assert_never(message_class)

    labels = {
        name: words
        for name, column in table.columns.items()
        if name != PICTURE and 0 < len(words := _words(column)) <= LABELS_MAX
    }
    document = {
        "v": VERSION,
        "class": WIRE_CLASS.get(message_class, message_class.value),
        "site": site,
        "nonce": nonce,
        "rows": messages,
        "items": len(rows),
        "contract": contract.sha256,
        "privacy": "not-dp",
        "t0_s": table.t0_s,
        "scale": table.scale,
        "labels": labels,
        "columns": {
            name: _places(column, labels[name]) if name in labels else column
            for name, column in table.columns.items()
        },
    }
    # A dict keeps its order and floats do not occur, so equal tables give equal text.
    text = msgspec.json.encode(document)
    body = zstandard.ZstdCompressor(level=LEVEL).compress(text)  # states the content size
    return Batch(hashlib.sha256(body).hexdigest(), body, message_class, messages, len(rows))


def _alerts(rows: list[AlertRow], contract: ContractInForce) -> _Table:
    columns: dict[str, list[Cell]] = {
        "time_s": _differences([row.time_s for row in rows]),
        "kind": [row.kind for row in rows],
        "severity": [row.severity for row in rows],
        "label": [row.label for row in rows],
        "score": [row.score_milli for row in rows],
    }
    released = [row.fields for row in rows]
    if any(row.picture for row in rows):
        columns[PICTURE] = [base64.b64encode(row.picture).decode() or None for row in rows]
    scale = {"score": SCORE_SCALE} | _field_scales(released, contract)
    return _Table(columns | _field_columns(released), scale, rows[0].time_s)


def _results(rows: list[ResultRow], contract: ContractInForce) -> _Table:
    columns: dict[str, list[Cell]] = {
        "time_s": _differences([row.time_s for row in rows]),
        "model": [row.model for row in rows],
        "label": [row.label for row in rows],
        "score": [row.score_milli for row in rows],
        "latency_ms": [row.latency_tenth_ms for row in rows],
    }
    released = [row.fields for row in rows]
    scale = {"score": SCORE_SCALE, "latency_ms": LATENCY_SCALE}
    return _Table(
        columns | _field_columns(released),
        scale | _field_scales(released, contract),
        rows[0].time_s,
    )


def _logs(rows: list[LogRow]) -> _Table:
    columns: dict[str, list[Cell]] = {
        "template": [row.template for row in rows],
        "severity": [row.severity for row in rows],
        "count": [row.count for row in rows],
    }
    return _Table(columns, {})


def _field_columns(released: list[Released]) -> dict[str, list[Cell]]:
    """Return a column for each field that occurs; a row without it has None."""
    names = sorted({name for fields in released for name, _ in fields})
    by_row: list[dict[str, int | str]] = [dict(fields) for fields in released]
    return {FIELD + name: [fields.get(name) for fields in by_row] for name in names}


def _field_scales(released: list[Released], contract: ContractInForce) -> dict[str, int]:
    names = sorted(
        {name for fields in released for name, value in fields if isinstance(value, int)}
    )
    return {FIELD + name: contract.contract.fields[name].scale for name in names}


def _differences(times_s: list[int]) -> list[Cell]:
    """Return 0, then each time less the one before: ``t0_s`` is the first."""
    return [0, *(later - earlier for earlier, later in pairwise(times_s))]


def _words(column: list[Cell]) -> list[str]:
    return sorted({cell for cell in column if isinstance(cell, str)})


def _places(column: list[Cell], words: list[str]) -> list[Cell]:
    place = {word: at for at, word in enumerate(words)}
    return [place[cell] if isinstance(cell, str) else cell for cell in column]


def _checked(kind: type[_R], rows: Sequence[OutgoingRow]) -> list[_R]:
    found = [row for row in rows if isinstance(row, kind)]
    if len(found) != len(rows):
        msg = f"{len(rows) - len(found)} of {len(rows)} rows are no {kind.__name__}"
        raise TypeError(msg)
    if found != sorted(found):
        msg = "rows are not in canonical order: their order could carry an identity"
        raise ValueError(msg)
    return found
