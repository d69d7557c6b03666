"""What leaves of a message, field by field, and that nothing else can."""

from dataclasses import fields as fields_of

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.contract import AlertRule, Contract, FieldRule, LogRule, ResultRule
from gateway.model.outcome import MessageClass
from gateway.model.outgoing import AlertRow, LogRow, ResultRow
from gateway.model.readings import MetricItem
from gateway.model.telemetry import AlertItem, Image, LogItem, ResultItem
from gateway.privacy.anonymise import LARGEST, Leaves, Stays, anonymise, blend
from gateway.privacy.picture import PictureKept

MARK = "cam-01-mark"

CONTRACT = Contract(
    version=1,
    name="test-line",
    fields={
        "area_mm2": FieldRule("number", ("alert", "result"), leaves=True, scale=10),
        "lane": FieldRule("string", ("alert",), leaves=True),
        "operator": FieldRule("string", ("alert", "result")),  # declared, but stays
    },
    alert=AlertRule(picture_leaves=True),
    result=ResultRule(rows_leave=True),
)


def alert(**changes) -> AlertItem:
    plain = {"id": MARK, "kind": "defect", "severity": "major", "label": "scratch", "score": 0.5}
    return AlertItem(**{**plain, **changes})


def result(**changes) -> ResultItem:
    plain = {"mono_ms": 5, "model": "surface@1.0", "label": "ok", "score": 0.9, "latency_ms": 1.26}
    return ResultItem(**{**plain, **changes})


def leaving(message_class: MessageClass, *items, contract: Contract = CONTRACT, time_s=1000):
    outcome = anonymise(contract, message_class, time_s, items)
    assert isinstance(outcome, Leaves)
    return outcome.rows


def test_an_alert_leaves_with_released_fields_only():
    item = alert(fields={"lane": "left", "area_mm2": 2.34, "operator": MARK, "unknown": MARK})
    assert leaving(MessageClass.ALERT, item) == (
        AlertRow(
            time_s=1000,
            kind="defect",
            severity="major",
            label="scratch",
            score_milli=500,
            fields=(("area_mm2", 23), ("lane", "left")),
        ),
    )


def test_a_result_leaves_quantised_and_without_energy_stages_or_device_time():
    item = result(
        mono_ms=123_456,
        energy_j=3.2,
        stages_ms={MARK: 1.0},
        fields={"lane": "left"},
        score=0.9876,
    )
    assert leaving(MessageClass.RESULT, item) == (
        ResultRow(
            time_s=1000, model="surface@1.0", label="ok", score_milli=988, latency_tenth_ms=13
        ),
    )


def test_a_log_leaves_as_template_severity_and_count():
    def line(template: str, severity="error") -> LogItem:
        return LogItem(mono_ms=1, severity=severity, template=template, message=MARK)

    lines = [
        line("lens-dirty"),
        line("boot", "info"),
        line("lens-dirty"),
        line("lens-dirty", "info"),
    ]
    assert leaving(MessageClass.LOG, *lines) == (
        LogRow("boot", "info", 1),
        LogRow("lens-dirty", "error", 2),
        LogRow("lens-dirty", "info", 1),
    )


def test_a_metric_never_leaves_as_a_row():
    item = MetricItem(mono_ms=1, name="parts", value=7.0)
    assert anonymise(CONTRACT, MessageClass.METRIC, 1000, [item]) is Stays.METRIC


def test_the_default_contract_releases_alerts_and_logs_but_no_result_and_no_picture():
    default = Contract(version=1, name="default")
    picture = Image("image/png", b"")
    outcome = anonymise(default, MessageClass.ALERT, 1, [alert(image=picture)])
    assert outcome == Leaves(
        (AlertRow(1, "defect", "major", "scratch", 500),), (PictureKept.CONTRACT,)
    )
    assert anonymise(default, MessageClass.RESULT, 1, [result()]) is Stays.CONTRACT
    log = LogItem(mono_ms=1, severity="info", template="boot")
    assert anonymise(default, MessageClass.LOG, 1, [log]) == Leaves((LogRow("boot", "info", 1),))


@pytest.mark.parametrize(
    ("message_class", "item"),
    [
        (MessageClass.ALERT, alert()),
        (MessageClass.RESULT, result()),
        (MessageClass.LOG, LogItem(mono_ms=1, severity="info", template="boot")),
    ],
)
def test_a_class_whose_contract_does_not_release_it_stays(message_class, item):
    closed = Contract(
        version=1, name="closed", alert=AlertRule(leaves=False), log=LogRule(leaves=False)
    )
    assert anonymise(closed, message_class, 1, [item]) is Stays.CONTRACT


def test_a_picture_that_stays_does_not_hold_its_alert_back():
    broken = alert(image=Image("image/png", b"no picture"))
    jpeg = alert(image=Image("image/jpeg", b"\xff\xd8"))
    outcome = anonymise(CONTRACT, MessageClass.ALERT, 1, [broken, jpeg])
    assert isinstance(outcome, Leaves)
    assert [row.picture for row in outcome.rows if isinstance(row, AlertRow)] == [b"", b""]
    assert outcome.pictures_kept == (PictureKept.MALFORMED, PictureKept.JPEG)


@pytest.mark.parametrize(
    "word", ["Cam 01", "", "x" * 65, "a/b", "ü", "a\nb", "a\n", "{id}", "a@b", "SCRATCH"]
)
def test_a_word_outside_the_alphabet_leaves_as_other(word):
    (row,) = leaving(MessageClass.ALERT, alert(kind=word, label=word, fields={"lane": word}))
    assert (row.kind, row.label, row.fields) == ("other", "other", (("lane", "other"),))
    (log,) = leaving(MessageClass.LOG, LogItem(mono_ms=1, severity="info", template=word))
    assert log.template == "other"


@pytest.mark.parametrize("word", ["a", "x" * 64, "lens-dirty_2.1"])
def test_a_word_inside_the_alphabet_leaves_as_it_is(word):
    (row,) = leaving(MessageClass.ALERT, alert(kind=word, label=word))
    assert (row.kind, row.label) == (word, word)


@pytest.mark.parametrize("model", ["surface", "a@b@c", "Surface@1", "x@" + "1" * 33, "@1", MARK])
def test_a_model_that_is_not_name_at_version_leaves_as_other(model):
    (row,) = leaving(MessageClass.RESULT, result(model=model))
    assert row.model == "other"


def test_a_contract_that_lists_its_words_lets_no_other_out():
    listed = Contract(
        version=1,
        name="listed",
        fields={"lane": FieldRule("string", ("alert",), leaves=True, words=("left",))},
        alert=AlertRule(kinds=("defect",), labels=("scratch", "dent")),
        result=ResultRule(rows_leave=True, labels=("ok",), models=("surface@1.0",)),
        log=LogRule(templates=("boot",)),
    )
    known = alert(label="dent", fields={"lane": "left"})
    (row,) = leaving(MessageClass.ALERT, known, contract=listed)
    assert (row.kind, row.label, row.fields) == ("defect", "dent", (("lane", "left"),))
    strange = alert(kind=MARK, label=MARK, fields={"lane": MARK})
    (row,) = leaving(MessageClass.ALERT, strange, contract=listed)
    assert (row.kind, row.label, row.fields) == ("other", "other", (("lane", "other"),))
    rows = leaving(MessageClass.RESULT, result(), result(label=MARK, model="x@1"), contract=listed)
    assert [(row.model, row.label) for row in rows] == [("other", "other"), ("surface@1.0", "ok")]
    lines = [LogItem(mono_ms=1, severity="info", template=each) for each in ("boot", MARK)]
    rows = leaving(MessageClass.LOG, *lines, contract=listed)
    assert rows == (LogRow("boot", "info", 1), LogRow("other", "info", 1))


def test_a_column_that_the_contract_withholds_says_nothing():
    closed = Contract(
        version=1,
        name="withheld",
        alert=AlertRule(withheld=("kind", "label", "score")),
        result=ResultRule(rows_leave=True, withheld=("model", "label", "score", "latency_ms")),
    )
    rows = leaving(MessageClass.ALERT, alert(), alert(label="x", score=0.1), contract=closed)
    assert rows == (AlertRow(1000, "other", "major", "other", None),) * 2
    rows = leaving(MessageClass.RESULT, result(), result(latency_ms=9.0), contract=closed)
    assert rows == (ResultRow(1000, "other", "other", None, None),) * 2


@pytest.mark.parametrize("word", ["0123456789abcdef" * 2 + "0", "a" * 40 + "1"])
def test_a_word_that_spells_bytes_leaves_as_other(word):
    (row,) = leaving(MessageClass.ALERT, alert(kind=word, label=word, fields={"lane": word}))
    assert (row.kind, row.label, row.fields) == ("other", "other", (("lane", "other"),))
    (row,) = leaving(MessageClass.RESULT, result(model=f"{word}@1"))
    assert row.model == "other"


def test_a_field_of_the_wrong_type_or_kind_of_item_stays():
    swapped = alert(fields={"lane": 3.0, "area_mm2": "large"})
    assert leaving(MessageClass.ALERT, swapped)[0].fields == ()
    elsewhere = result(fields={"lane": "left"})
    assert leaving(MessageClass.RESULT, elsewhere)[0].fields == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_message_with_a_number_that_is_none_stays(value):
    def outcome(message_class, item):
        return anonymise(CONTRACT, message_class, 1, [item])

    assert outcome(MessageClass.ALERT, alert(score=value)) is Stays.NOT_FINITE
    assert outcome(MessageClass.ALERT, alert(fields={"area_mm2": value})) is Stays.NOT_FINITE
    assert outcome(MessageClass.RESULT, result(latency_ms=value)) is Stays.NOT_FINITE
    # A field that stays anyway cannot hold the message back.
    assert isinstance(outcome(MessageClass.ALERT, alert(fields={"unknown": value})), Leaves)


def test_a_number_too_large_for_json_is_cut():
    rows = leaving(MessageClass.RESULT, result(latency_ms=1e308), result(latency_ms=-1e308))
    assert [row.latency_tenth_ms for row in rows] == [-LARGEST, LARGEST]


def test_items_of_another_class_are_a_bug_and_not_released():
    with pytest.raises(TypeError, match="1 of 2 items are no AlertItem"):
        anonymise(CONTRACT, MessageClass.ALERT, 1, [alert(), result()])


def test_a_message_without_items_has_nothing_to_send():
    assert anonymise(CONTRACT, MessageClass.ALERT, 1, []) is Stays.EMPTY


WORDS = st.sampled_from(["a", "b", "C"]) | st.text(max_size=70)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
FIELDS = st.dictionaries(
    st.sampled_from(["area_mm2", "lane", "operator"]), NUMBERS | WORDS, max_size=3
)
RESULTS = st.builds(
    ResultItem,
    mono_ms=st.integers(0, 2**53),
    model=WORDS,
    label=WORDS,
    score=NUMBERS,
    latency_ms=NUMBERS,
    fields=FIELDS,
)
LOGS = st.builds(
    LogItem, mono_ms=st.integers(0), severity=st.sampled_from(["error", "info"]), template=WORDS
)


@given(st.data(), st.lists(RESULTS, min_size=1, max_size=12))
def test_neither_order_nor_grouping_of_results_survives(data, items):
    order = data.draw(st.permutations(items))
    cut = data.draw(st.integers(1, len(items)))
    groups = [group for group in (order[:cut], order[cut:]) if group]
    one_by_one = [row for group in groups for row in leaving(MessageClass.RESULT, *group)]
    assert blend(one_by_one) == leaving(MessageClass.RESULT, *items)


@given(st.data(), st.lists(LOGS, min_size=1, max_size=12))
def test_neither_order_nor_grouping_of_logs_survives(data, items):
    order = data.draw(st.permutations(items))
    one_by_one = [row for item in order for row in leaving(MessageClass.LOG, item)]
    whole = leaving(MessageClass.LOG, *items)
    assert blend(one_by_one) == whole
    assert sum(row.count for row in whole if isinstance(row, LogRow)) == len(items)


@pytest.mark.parametrize("row", [AlertRow, ResultRow, LogRow])
def test_no_outgoing_row_has_a_place_for_an_identity(row):
    names = {field.name for field in fields_of(row)}
    assert not names & {"id", "device", "epoch", "seq", "boot", "mono_ms", "message", "stream"}


def test_no_mark_of_a_device_is_in_what_leaves():
    image = Image("image/png", MARK.encode())
    marked = alert(image=image, fields={"operator": MARK, "unknown": MARK})
    log = LogItem(
        mono_ms=1, severity="error", template="t", message=MARK, fields={"operator": MARK}
    )
    rows = [
        *leaving(MessageClass.ALERT, marked),
        *leaving(MessageClass.RESULT, result(fields={"operator": MARK}, stages_ms={MARK: 1.0})),
        *leaving(MessageClass.LOG, log),
    ]
    for row in rows:
        content = [getattr(row, field.name) for field in fields_of(row)]
        assert MARK not in repr(content)


def test_the_reasons_are_spelled_for_ever():
    assert {reason.value for reason in Stays} == {
        "contract",
        "metrics-leave-as-aggregates",
        "not-finite",
        "empty",
    }
