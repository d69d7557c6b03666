"""A contract in plain words: what a device may send, how long it stays, what leaves, and why.

For the officer who asks "what of this camera leaves the building?". Every word follows from
the contract in force; nothing here is configuration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.fleet.mechanism import CLASSES, Class, mechanism
from gateway.model.contract import Contract, FieldRule

NOT_DP: Final = "not differentially private"
NOTHING: Final = "nothing"
NO_AGGREGATES: Final = "nothing yet: as aggregates with noise, once a release makes them"


@dataclass(frozen=True, slots=True)
class Line:
    """What holds for one kind of thing that a device has or sends."""

    subject: str
    sensitivity: str
    may_send: str
    stays: str
    leaves: bool
    form: str
    """What of it leaves and in which form; how it stays in, where nothing leaves."""
    because: str
    """The keys of the contract that say so."""


def explain(contract: Contract) -> tuple[Line, ...]:
    """Return a line for each class, the camera feed and pictures among them."""
    return (
        _camera(contract),
        _alerts(contract),
        _pictures(contract),
        _results(contract),
        _metrics(contract),
        *_logs(contract),
    )


def summary(contract: Contract) -> str:
    """Return in a few words the mechanism of each class, and whether pictures leave."""
    words = [f"{each}:{mechanism(contract, each)}" for each in CLASSES]
    return " ".join([*words, f"pictures:{'yes' if contract.alert.picture_leaves else 'no'}"])


def _camera(contract: Contract) -> Line:
    rule = contract.camera
    return Line(
        "camera feed",
        rule.sensitivity,
        "no: models look at it on the device, and a frame that is sent is refused and counted",
        "not at all",
        leaves=False,
        form="never",
        because="the class camera cannot be opened",
    )


def _alerts(contract: Contract) -> Line:
    rule = contract.alert
    if rule.leaves:
        columns = ("kind", "severity", "label", "score")
        told = [one for one in columns if one not in rule.withheld]
        form = f"row by row, without device and number ({NOT_DP}): time, {', '.join(told)}"
        form += _lists(("kind", rule.kinds), ("label", rule.labels)) + _released(contract, "alert")
        stays = f"until the cloud has it, then {_hours(rule.kept_after_delivery_h)}"
    else:
        form, stays = NOTHING, _hours(rule.kept_after_delivery_h)
    because = f"alert.leaves: {_yaml(rule.leaves)}"
    sent = "yes" + _declared(contract, "alert")
    return Line("alerts", rule.sensitivity, sent, stays, rule.leaves, form, because)


def _pictures(contract: Contract) -> Line:
    rule, most = contract.alert, contract.camera.picture_pixels_max
    leaves = rule.leaves and rule.picture_leaves
    form = NOTHING
    if leaves:
        form = (
            f"as PNG without metadata, up to {rule.picture_max_pixels:,} pixels and "
            f"{rule.picture_max_bytes:,} bytes ({NOT_DP}); a larger one stays"
        )
    return Line(
        "pictures of alerts",
        rule.sensitivity,
        f"yes, a part of a frame: up to {most:,} pixels together in one message",
        "as its alert",
        leaves,
        form,
        f"alert.picture_leaves: {_yaml(rule.picture_leaves)}",
    )


def _results(contract: Contract) -> Line:
    rule = contract.result
    form = _closed(contract, "result")
    if rule.rows_leave:
        columns = ("model", "label", "score", "latency_ms")
        told = [one for one in columns if one not in rule.withheld]
        form = f"row by row, without device and number ({NOT_DP}): time, {', '.join(told)}"
        form += _lists(("model", rule.models), ("label", rule.labels))
        form += _released(contract, "result")
    because = f"result.rows_leave: {_yaml(rule.rows_leave)}"
    sent = "yes" + _declared(contract, "result")
    return Line(
        "results", rule.sensitivity, sent, _hours(rule.kept_h), rule.rows_leave, form, because
    )


def _metrics(contract: Contract) -> Line:
    rule = contract.metric
    because = f"metric.mechanism: {mechanism(contract, 'metric')}"
    form = _closed(contract, "metric")
    return Line("metrics", rule.sensitivity, "yes", _hours(rule.kept_h), False, form, because)  # noqa: FBT003 -- named in Line


def _logs(contract: Contract) -> Iterator[Line]:
    rule = contract.log
    form = NOTHING
    if rule.leaves:
        form = f"template, severity and how often ({NOT_DP}), never the message"
        form += _lists(("template", rule.templates))
    for subject in ("error logs", "other logs"):
        yield Line(
            subject,
            rule.sensitivity,
            "yes" + _declared(contract, "log"),
            _hours(rule.kept_h),
            rule.leaves,
            form,
            f"log.leaves: {_yaml(rule.leaves)}",
        )


def _closed(contract: Contract, of: Class) -> str:
    return NO_AGGREGATES if mechanism(contract, of) == "aggregate-dp" else NOTHING


def _fields(contract: Contract, of: Class) -> dict[str, FieldRule]:
    return {name: rule for name, rule in contract.fields.items() if of in rule.items}


def _declared(contract: Contract, of: Class) -> str:
    names = ", ".join(_fields(contract, of))
    return f", with the fields {names}" if names else ""


def _released(contract: Contract, of: Class) -> str:
    return "".join(
        f", {name} ({_precision(rule)})"
        for name, rule in _fields(contract, of).items()
        if rule.leaves
    )


def _precision(rule: FieldRule) -> str:
    if rule.type == "string":
        return f"one of {len(rule.words)} words" if rule.words else "any word"
    return f"{rule.minimum:g} to {rule.maximum:g} in steps of 1/{rule.scale}"


def _lists(*columns: tuple[str, tuple[str, ...]]) -> str:
    return "".join(f"; only {len(words)} known words as {name}" for name, words in columns if words)


def _hours(hours: int) -> str:
    days, rest = divmod(hours, 24)
    if days > 1 and not rest:
        return f"{days} days"
    return f"{hours} h"


def _yaml(value: bool) -> str:  # noqa: FBT001 -- the value itself
    return "true" if value else "false"
