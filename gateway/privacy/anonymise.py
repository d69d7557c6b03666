"""The one place that turns checked items of a device into rows that may leave the site.

Closed by default: a class leaves only where its contract says so, a field only with
``leaves: true``, and a metric never (it leaves as an aggregate with noise, not as a row).
What identifies a device or a message (its id, epoch, seq, the alert's own id, free text)
has no place in ``model.outgoing`` and is dropped here.

Privacy:
    Rows made here are anonymised, not differentially private, and are labelled so.
    A label is still a word that a device chose: within the alphabet below, a hostile
    device can spell its own name. Public label sets in the contract will close that.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar, assert_never

from gateway.model.contract import Contract, FieldRule, ItemKind
from gateway.model.outcome import MessageClass
from gateway.model.outgoing import AlertRow, LogRow, OutgoingRow, Released, ResultRow
from gateway.model.readings import MetricItem
from gateway.model.telemetry import AlertItem, Fields, LogItem, ResultItem
from gateway.privacy.picture import PictureKept
from gateway.privacy.picture import release as release_picture

Item = AlertItem | ResultItem | LogItem | MetricItem
_I = TypeVar("_I", AlertItem, ResultItem, LogItem)

OTHER: Final = "other"
"""Stands for every word of a device that is not of the form below."""

WORD: Final = re.compile(r"[a-z0-9_.-]{1,64}")
MODEL: Final = re.compile(r"[a-z0-9_.-]{1,64}@[a-z0-9_.-]{1,32}")  # name@version

SCORE_SCALE: Final = 1000
LATENCY_SCALE: Final = 10
LARGEST: Final = 2**53 - 1
"""The greatest integer that every JSON reader takes exactly; larger values are cut to it."""


class Stays(Enum):
    """Why nothing of a message leaves as rows. The names are counted, so they stay."""

    CONTRACT = "contract"
    METRIC = "metrics-leave-as-aggregates"
    NOT_FINITE = "not-finite"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Leaves:
    """What of one message leaves, and why pictures of it did not."""

    rows: tuple[OutgoingRow, ...]
    pictures_kept: tuple[PictureKept, ...] = ()


class _NotFiniteError(Exception):
    """A number is NaN or infinite, which no row can carry."""


def anonymise(
    contract: Contract, message_class: MessageClass, time_s: int, items: Sequence[Item]
) -> Leaves | Stays:
    """Return the rows that leave of one message, or why it stays.

    ``time_s`` is the gateway's Unix time at receipt, in whole seconds: the device's own
    clock does not leave. Rows come back in ``blend`` order.

    Raises:
        TypeError: an item is not of ``message_class`` (a bug of the caller).
    """
    try:
        match message_class:
            case MessageClass.METRIC:
                return Stays.METRIC
            case MessageClass.ALERT:
                return _alerts(contract, time_s, _only(AlertItem, items))
            case MessageClass.RESULT:
                return _results(contract, time_s, _only(ResultItem, items))
            case MessageClass.LOG | MessageClass.ERROR_LOG:
                return _logs(contract, _only(LogItem, items))
            case _:
                assert_never(message_class)
    except _NotFiniteError:
        return Stays.NOT_FINITE


def blend(rows: Iterable[OutgoingRow]) -> tuple[OutgoingRow, ...]:
    """Return the rows of one batch in their one canonical order, log counts added up.

    Privacy:
        Equal collections of rows give equal results, so neither the order of arrival
        nor the grouping by message or device survives.
    """
    alerts: list[AlertRow] = []
    results: list[ResultRow] = []
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        match row:
            case AlertRow():
                alerts.append(row)
            case ResultRow():
                results.append(row)
            case LogRow(template, severity, count):
                counts[template, severity] += count
            case _:
                assert_never(row)
    logs = [LogRow(template, severity, count) for (template, severity), count in counts.items()]
    return (*sorted(alerts), *sorted(results), *sorted(logs))


def _alerts(contract: Contract, time_s: int, items: Sequence[AlertItem]) -> Leaves | Stays:
    if not contract.alert.leaves:
        return Stays.CONTRACT
    rows: list[OutgoingRow] = []
    kept: list[PictureKept] = []
    for item in items:
        picture: bytes | PictureKept = b""
        if item.image is not None:
            picture = release_picture(item.image, contract.alert)
        if isinstance(picture, PictureKept):
            kept.append(picture)
            picture = b""
        row = AlertRow(
            time_s=time_s,
            kind=_word(item.kind),
            severity=item.severity,
            label=_word(item.label),
            score_milli=_quantised(item.score, SCORE_SCALE),
            fields=_fields(contract, "alert", item.fields),
            picture=picture,
        )
        rows.append(row)
    return _leaves(rows, kept)


def _results(contract: Contract, time_s: int, items: Sequence[ResultItem]) -> Leaves | Stays:
    if not contract.result.rows_leave:
        return Stays.CONTRACT
    return _leaves(
        ResultRow(
            time_s=time_s,
            model=item.model if MODEL.fullmatch(item.model) else OTHER,
            label=_word(item.label),
            score_milli=_quantised(item.score, SCORE_SCALE),
            latency_tenth_ms=_quantised(item.latency_ms, LATENCY_SCALE),
            fields=_fields(contract, "result", item.fields),
        )
        for item in items
    )


def _logs(contract: Contract, items: Sequence[LogItem]) -> Leaves | Stays:
    if not contract.log.leaves:
        return Stays.CONTRACT
    return _leaves(LogRow(_word(item.template), item.severity, 1) for item in items)


def _leaves(rows: Iterable[OutgoingRow], kept: Iterable[PictureKept] = ()) -> Leaves | Stays:
    blended = blend(rows)
    return Leaves(blended, tuple(kept)) if blended else Stays.EMPTY


def _fields(contract: Contract, kind: ItemKind, fields: Fields) -> Released:
    """Return the fields that the contract releases for this kind of item, sorted by name."""
    return tuple(
        (name, _word(value) if isinstance(value, str) else _quantised(value, rule.scale))
        for name, value in sorted(fields.items())
        if (rule := contract.fields.get(name)) is not None and _released(rule, kind, value)
    )


def _released(rule: FieldRule, kind: ItemKind, value: float | str) -> bool:
    declared = rule.type == ("string" if isinstance(value, str) else "number")
    return rule.leaves and kind in rule.items and declared


def _quantised(value: float, scale: int) -> int:
    if not math.isfinite(value):
        raise _NotFiniteError
    # Cut before rounding: a finite value times its scale may still be infinite.
    return round(max(-LARGEST, min(LARGEST, value * scale)))


def _word(text: str) -> str:
    return text if WORD.fullmatch(text) else OTHER


def _only(kind: type[_I], items: Sequence[Item]) -> list[_I]:
    found = [item for item in items if isinstance(item, kind)]
    if len(found) != len(items):
        msg = f"{len(items) - len(found)} of {len(items)} items are no {kind.__name__}"
        raise TypeError(msg)
    return found
