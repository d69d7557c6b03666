"""The one place that turns checked items of a device into rows that may leave the site.

Closed by default: a class leaves only where its contract says so, a field only with
``leaves: true``, and a metric never (it leaves as an aggregate with noise, not as a row).
What identifies a device or a message (its id, epoch, seq, the alert's own id, free text)
has no place in ``model.outgoing`` and is dropped here.

Privacy:
    Rows made here are anonymised, not differentially private, and are labelled so.
    A label is a word that a device chose: within the alphabet below, a hostile device can
    spell its own name. A contract that lists ``kinds``, ``labels``, ``models``, ``templates``
    and ``words`` closes that: any other word leaves as ``other``.

The camera feed never leaves. The intake refuses what looks like a frame of it, and here it
is looked for again, so that a fault there, or a message of an older release, opens no way.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar, assert_never

from gateway.model.contract import Contract, FieldRule, ItemKind
from gateway.model.frame import frame_in
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
SPELLED: Final = re.compile(r"(?=[a-z]*[0-9])[a-z0-9]{33,}")  # bytes in letters, not a word
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
    rule = contract.alert
    frame = frame_in(contract.camera, (item.image for item in items if item.image))
    rows: list[OutgoingRow] = []
    kept: list[PictureKept] = []
    for item in items:
        picture: bytes | PictureKept = b""
        if item.image is not None:
            whole = PictureKept.FRAME if frame is not None else None
            picture = whole or release_picture(item.image, contract.alert)
        if isinstance(picture, PictureKept):
            kept.append(picture)
            picture = b""
        row = AlertRow(
            time_s=time_s,
            kind=OTHER if "kind" in rule.withheld else _word(item.kind, rule.kinds),
            severity=item.severity,
            label=OTHER if "label" in rule.withheld else _word(item.label, rule.labels),
            score_milli=_unless("score" in rule.withheld, item.score, SCORE_SCALE),
            fields=_fields(contract, "alert", item.fields),
            picture=picture,
        )
        rows.append(row)
    return _leaves(rows, kept)


def _results(contract: Contract, time_s: int, items: Sequence[ResultItem]) -> Leaves | Stays:
    rule = contract.result
    if not rule.rows_leave:
        return Stays.CONTRACT
    return _leaves(
        ResultRow(
            time_s=time_s,
            model=OTHER if "model" in rule.withheld else _model(item.model, rule.models),
            label=OTHER if "label" in rule.withheld else _word(item.label, rule.labels),
            score_milli=_unless("score" in rule.withheld, item.score, SCORE_SCALE),
            latency_tenth_ms=_unless("latency_ms" in rule.withheld, item.latency_ms, LATENCY_SCALE),
            fields=_fields(contract, "result", item.fields),
        )
        for item in items
    )


def _logs(contract: Contract, items: Sequence[LogItem]) -> Leaves | Stays:
    rule = contract.log
    if not rule.leaves:
        return Stays.CONTRACT
    return _leaves(LogRow(_word(item.template, rule.templates), item.severity, 1) for item in items)


def _leaves(rows: Iterable[OutgoingRow], kept: Iterable[PictureKept] = ()) -> Leaves | Stays:
    blended = blend(rows)
    return Leaves(blended, tuple(kept)) if blended else Stays.EMPTY


def _fields(contract: Contract, kind: ItemKind, fields: Fields) -> Released:
    """Return the fields that the contract releases for this kind of item, sorted by name."""
    return tuple(
        (
            name,
            _word(value, rule.words) if isinstance(value, str) else _quantised(value, rule.scale),
        )
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


def _unless(withheld: bool, value: float, scale: int) -> int | None:  # noqa: FBT001 -- reads so
    return None if withheld else _quantised(value, scale)


def _word(text: str, known: Collection[str]) -> str:
    """Return a word that may leave: one of ``known`` where the contract lists them."""
    usable = WORD.fullmatch(text) and not SPELLED.search(text)
    return text if usable and (not known or text in known) else OTHER


def _model(text: str, known: Collection[str]) -> str:
    usable = MODEL.fullmatch(text) and not SPELLED.search(text)
    return text if usable and (not known or text in known) else OTHER


def _only(kind: type[_I], items: Sequence[Item]) -> list[_I]:
    found = [item for item in items if isinstance(item, kind)]
    if len(found) != len(items):
        msg = f"{len(items) - len(found)} of {len(items)} items are no {kind.__name__}"
        raise TypeError(msg)
    return found
