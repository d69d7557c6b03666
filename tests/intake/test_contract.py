"""A contract allows what it declares, names what it does not, and never tells a value."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.contract import breach
from gateway.model.contract import Contract, FieldRule
from gateway.model.readings import MetricItem
from gateway.model.telemetry import AlertItem, LogItem, ResultItem

VALUE = "4711.25"
CONTRACT = Contract(
    version=1,
    name="press",
    fields={
        "share": FieldRule("number", ("alert", "result"), minimum=0, maximum=1),
        "count": FieldRule("number", ("log",)),
        "lane": FieldRule("string", ("alert",), max_chars=5),
    },
)


def alert(**fields) -> AlertItem:
    return AlertItem("a-1", "defect", "major", "scratch", 0.5, fields=fields)


def result(**fields) -> ResultItem:
    return ResultItem(5, "m@1", "ok", 0.5, 4.0, fields=fields)


def log(**fields) -> LogItem:
    return LogItem(5, "info", "started", fields=fields)


@pytest.mark.parametrize(
    "item",
    [
        alert(),
        alert(share=0, lane="left"),
        alert(share=1.0),
        alert(lane=""),
        result(share=0.25),
        log(count=-1e300),
        MetricItem(5, "power", 4.5),
    ],
)
def test_what_is_declared_is_allowed(item):
    assert breach(CONTRACT, (item,)) is None


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        (alert(speed=1), "item 0: field 'speed' is not declared for alert items in contract press"),
        (result(lane="l"), "item 0: field 'lane' is not declared for result items"),
        (log(share=0.5), "item 0: field 'share' is not declared for log items"),
        (alert(share=VALUE), "item 0: field 'share' must be a number"),
        (alert(lane=4711.25), "item 0: field 'lane' must be a string"),
        (alert(lane=VALUE), "item 0: field 'lane' is longer than 5 characters"),
        (alert(share=-4711.25), "item 0: field 'share' is below its minimum 0"),
        (alert(share=4711.25), "item 0: field 'share' is above its maximum 1"),
        (alert(share=math.nan), "item 0: field 'share' is not a finite number"),
        (log(count=math.inf), "item 0: field 'count' is not a finite number"),
        (MetricItem(5, "power", math.nan), "item 0: metric power is not a finite number"),
        (
            ResultItem(5, "m@1", "ok", 0.5, 4.0, energy_j=math.inf),
            "item 0: energy_j is not a finite number",
        ),
    ],
)
def test_what_is_not_declared_is_named_without_its_value(item, sentence: str):
    found = breach(CONTRACT, (item,))
    assert found is not None
    assert found.startswith(sentence)
    assert VALUE not in found


def test_the_first_item_that_breaks_the_contract_is_numbered():
    assert str(breach(CONTRACT, (log(), log(count=1), log(speed=1)))).startswith("item 2: ")


VALUES = st.floats() | st.text(max_size=8)
NAMES = st.sampled_from(["share", "count", "lane", "other"])


@given(st.sampled_from([alert, result, log]), st.dictionaries(NAMES, VALUES))
def test_whatever_is_allowed_is_declared_finite_and_within_its_bounds(make, fields):
    item = make(**fields)
    if breach(CONTRACT, (item,)) is None:
        for name, value in fields.items():
            rule = CONTRACT.fields[name]
            assert type(item).__name__.lower().removesuffix("item") in rule.items
            if rule.type == "string":
                assert isinstance(value, str)
                assert len(value) <= 5
            else:
                assert isinstance(value, float)
                assert math.isfinite(value)
                assert name == "count" or 0 <= value <= 1
