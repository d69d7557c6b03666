"""A batch says what its rows say, always in the same bytes, and has no place for a device."""

import hashlib
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.contract import Contract, ContractInForce, FieldRule, ResultRule
from gateway.model.outcome import MessageClass
from gateway.model.outgoing import AlertRow, LogRow, OutgoingRow, ResultRow
from gateway.model.telemetry import ResultItem
from gateway.privacy.anonymise import Leaves, anonymise, blend
from gateway.uplink.encoding import encode
from hil.cloud import batch as receiver
from hil.cloud.refusal import Refusal
from tests.support.batch import document, records

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
NONCE = "0f" * 16
CONTRACT = ContractInForce(
    Contract(
        version=1,
        name="test-line",
        fields={
            "area_mm2": FieldRule("number", ("alert", "result"), leaves=True, scale=10),
            "lane": FieldRule("string", ("alert", "result"), leaves=True),
        },
        result=ResultRule(rows_leave=True),
    ),
    sha256="5e" * 32,
)

TIMES_S = st.integers(0, 2**40)
WORDS = st.sampled_from(["ok", "scratch", "blob", "other"]) | st.from_regex(
    r"[a-z0-9_.-]{1,64}", fullmatch=True
)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
RELEASED = st.fixed_dictionaries({}, optional={"area_mm2": NUMBERS, "lane": WORDS}).map(
    lambda fields: tuple(sorted(fields.items()))
)
PICTURES = st.just(b"") | st.binary(max_size=30).map(lambda rest: b"\x89PNG\r\n\x1a\n" + rest)
ALERTS = st.builds(AlertRow, TIMES_S, WORDS, WORDS, WORDS, NUMBERS, RELEASED, PICTURES)
RESULTS = st.builds(ResultRow, TIMES_S, WORDS, WORDS, NUMBERS, NUMBERS, RELEASED)
LOGS = st.builds(LogRow, WORDS, st.sampled_from(["error", "info"]), st.integers(1, 1000))
KINDS: list[tuple[MessageClass, st.SearchStrategy[OutgoingRow]]] = [
    (ALERT, ALERTS),
    (RESULT, RESULTS),
    (LOG, LOGS),
]
BLENDED = st.one_of(
    [
        st.tuples(st.just(kind), st.lists(rows, min_size=1, max_size=20).map(blend))
        for kind, rows in KINDS
    ]
)


def sealed(kind: MessageClass, rows, messages: int = 1):
    return encode(rows, kind, messages=messages, site="plant-a", contract=CONTRACT, nonce=NONCE)


def said_by(row: OutgoingRow) -> dict[str, object]:
    """What a record must say of ``row``, written down once more by hand."""
    said: dict[str, object] = {}
    match row:
        case AlertRow():
            said = {
                "time_s": row.time_s,
                "kind": row.kind,
                "severity": row.severity,
                "label": row.label,
                "score": row.score_milli,
            }
            if row.picture:
                said["picture"] = row.picture
        case ResultRow():
            said = {
                "time_s": row.time_s,
                "model": row.model,
                "label": row.label,
                "score": row.score_milli,
                "latency_ms": row.latency_tenth_ms,
            }
        case LogRow():
            return {"template": row.template, "severity": row.severity, "count": row.count}
    return said | {f"field.{name}": value for name, value in row.fields}


@given(BLENDED)
def test_a_batch_says_what_its_rows_say(drawn):
    kind, rows = drawn
    assert records(sealed(kind, rows).body) == [said_by(row) for row in rows]


def test_the_receiver_takes_columns_that_the_contract_withholds():
    alerts = [AlertRow(5, "other", "major", "other", None)] * 2
    results = [ResultRow(5, "other", "other", None, None)] * 2
    for kind, rows in ((MessageClass.ALERT, alerts), (MessageClass.RESULT, results)):
        batch = sealed(kind, rows)
        assert not isinstance(receiver.examine(batch.sha256, batch.body), Refusal)
        assert all("score" not in record for record in records(batch.body))


@given(BLENDED, st.integers(1, 10**6))
def test_the_receiver_takes_every_batch(drawn, messages):
    kind, rows = drawn
    batch = sealed(kind, rows, messages)
    taken = receiver.examine(batch.sha256, batch.body)
    assert not isinstance(taken, Refusal), taken
    assert (taken.document.class_, taken.document.rows) == (kind.value, messages)
    assert taken.document.items == len(rows) == batch.items


@given(BLENDED)
def test_equal_rows_give_equal_bytes_and_so_one_digest(drawn):
    kind, rows = drawn
    once, again = sealed(kind, rows), sealed(kind, tuple(replace(row) for row in rows))
    assert once == again
    assert once.sha256 == hashlib.sha256(once.body).hexdigest()


def test_batches_of_equal_rows_bear_different_names():
    rows = (LogRow("started", "info", 1),)
    names = {
        encode(
            rows, LOG, messages=1, site="plant-a", contract=CONTRACT, nonce=f"{number:032x}"
        ).sha256
        for number in range(2)
    }
    assert len(names) == 2


def test_the_header_says_contract_site_privacy_scales_and_origin():
    row = ResultRow(1_700_000_000, "m@1", "ok", 900, 12, (("area_mm2", 23), ("lane", "left")))
    later = replace(row, time_s=1_700_000_007)
    whole = document(sealed(RESULT, (row, later), messages=2).body)
    columns = whole.pop("columns")
    assert whole == {
        "v": 1,
        "class": "result",
        "site": "plant-a",
        "nonce": NONCE,
        "rows": 2,
        "items": 2,
        "contract": "5e" * 32,
        "privacy": "not-dp",
        "t0_s": 1_700_000_000,
        "scale": {"score": 1000, "latency_ms": 10, "field.area_mm2": 10},
        "labels": {"model": ["m@1"], "label": ["ok"], "field.lane": ["left"]},
    }
    assert columns["time_s"] == [0, 7]


COLUMNS = {
    ALERT: {"time_s", "kind", "severity", "label", "score", "picture"},
    RESULT: {"time_s", "model", "label", "score", "latency_ms"},
    LOG: {"template", "severity", "count"},
}


@given(BLENDED)
def test_no_column_exists_for_a_device_or_a_message(drawn):
    kind, rows = drawn
    released = {"field.area_mm2", "field.lane"}
    assert document(sealed(kind, rows).body)["columns"].keys() <= COLUMNS[kind] | released


def test_rows_in_the_order_of_their_arrival_are_refused():
    early, late = ResultRow(1, "m@1", "ok", 1, 1), ResultRow(2, "m@1", "ok", 1, 1)
    with pytest.raises(ValueError, match="could carry an identity"):
        sealed(RESULT, (late, early))


def test_a_row_of_another_class_is_refused():
    with pytest.raises(TypeError, match="1 of 2 rows are no AlertRow"):
        sealed(ALERT, (AlertRow(1, "a", "major", "b", 1), LogRow("t", "info", 1)))


def test_metrics_have_no_encoding():
    with pytest.raises(ValueError, match="metrics do not leave as rows"):
        sealed(METRIC, (LogRow("t", "info", 1),))


@pytest.mark.parametrize(("rows", "messages"), [((), 1), ((LogRow("t", "info", 1),), 0)])
def test_an_empty_batch_is_refused(rows, messages):
    with pytest.raises(ValueError, match="nothing to seal"):
        sealed(LOG, rows, messages)


def test_pictures_have_a_column_only_when_there_are_any():
    row = AlertRow(1, "a", "major", "b", 1)
    assert "picture" not in document(sealed(ALERT, (row,)).body)["columns"]


def test_more_words_than_a_receiver_bounds_are_written_out_and_not_refused():
    templates = sorted(f"t{number}" for number in range(10_001))
    batch = sealed(LOG, [LogRow(template, "info", 1) for template in templates])
    assert "template" not in document(batch.body)["labels"]
    assert [record["template"] for record in records(batch.body)] == templates
    assert not isinstance(receiver.examine(batch.sha256, batch.body), Refusal)


def test_a_line_shrinks_to_a_twentieth_of_its_compact_json():
    items = [
        ResultItem(
            mono_ms=1000 + 333 * number,
            model="surface-defects@1.0.0",
            label="scratch" if number % 37 == 0 else "ok",
            score=0.93 + (number * 7919 % 61) / 1000,
            latency_ms=12 + (number * 104_729 % 23) / 10,
            fields={"area_mm2": float(number % 5)},
        )
        for number in range(2000)
    ]
    compact_json = sum(len(msgspec.json.encode(item)) + 1 for item in items)
    rows: list[OutgoingRow] = []
    for first in range(0, len(items), 10):
        left = anonymise(CONTRACT.contract, RESULT, 1000 + first // 3, items[first : first + 10])
        assert isinstance(left, Leaves)
        rows += left.rows
    assert len(sealed(RESULT, blend(rows)).body) * 20 < compact_json
