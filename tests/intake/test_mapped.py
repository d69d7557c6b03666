"""What a payload of a topic map becomes, whatever it is: items, or a refusal without values."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.mapped import read_mapped
from gateway.intake.wire import Advisory, Reason, Refusal, Unsequenced
from gateway.model.contract import Contract, ContractInForce, FieldRule
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId
from gateway.model.outcome import MessageClass, Stream
from gateway.model.telemetry import AlertItem, LogItem
from gateway.model.topicmap import TopicRule

DEVICE = DeviceId("cam-01")
CONTRACT = ContractInForce(
    Contract(
        version=1,
        name="c",
        fields={
            "zone": FieldRule("string", ("alert",), max_chars=8),
            "speed": FieldRule("number", ("alert",), minimum=0, maximum=9),
        },
    ),
    "c" * 64,
)
ALERT: dict[str, Any] = {
    "topic": "cam/{id}/alarm",
    "payload": "json",
    "when": {"path": "$.on", "equals": True},
    "severities": {"HIGH": "critical"},
    "alert": {
        "kind": "motion",
        "severity": "$.level",
        "label": "$.code",
        "score": "$.sure",
        "fields": {"zone": "$.where.0.name", "speed": "$.speed"},
    },
}
GOOD: dict[str, Any] = {
    "on": True,
    "level": "HIGH",
    "code": 17,
    "sure": "0.5",
    "where": [{"name": "belt"}],
    "speed": True,
}
TEXT = {"topic": "t/{id}", "payload": "text", "metrics": [{"name": "t", "value": "$"}]}
LOG: dict[str, Any] = {
    "topic": "l/{id}",
    "payload": "json",
    "log": {"severity": "$.s", "template": "fixed", "message": "$.m"},
}


def take(
    rule: dict[str, Any], payload: object, *, retained: bool = False
) -> Unsequenced | Advisory | Refusal:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    made = msgspec.convert(rule, TopicRule)
    delivery = Delivery(made.of(DEVICE), body, retained, "", (1, 1))
    return read_mapped(delivery, DEVICE, made, CONTRACT, 77)


def refused(rule: dict[str, Any], payload: object) -> tuple[Reason, str]:
    answer = take(rule, payload)
    assert isinstance(answer, Refusal), answer
    assert answer.place is None
    return answer.reason, answer.detail


def test_an_event_becomes_an_alert_of_the_devices_own_values() -> None:
    answer = take(ALERT, GOOD)
    assert isinstance(answer, Unsequenced)
    (item,) = answer.message.items
    assert isinstance(item, AlertItem)
    assert (item.kind, item.severity, item.label, item.score) == ("motion", "critical", "17", 0.5)
    assert item.fields == {"zone": "belt", "speed": 1.0}
    key = answer.message.key
    assert (key.epoch, key.stream, answer.message.message_class) == (
        0,
        Stream.ALERT,
        MessageClass.ALERT,
    )


def test_two_equal_events_at_two_times_are_two_alerts() -> None:
    made = msgspec.convert(ALERT, TopicRule)
    delivery = Delivery(
        made.of(DEVICE), json.dumps(GOOD).encode(), retained=False, content_type="", token=(1, 1)
    )
    ids = set[str]()
    for mono_ms in (77, 78):
        answer = read_mapped(delivery, DEVICE, made, CONTRACT, mono_ms)
        assert isinstance(answer, Unsequenced)
        (item,) = answer.message.items
        assert isinstance(item, AlertItem)
        ids.add(item.id)
    assert len(ids) == 2


@pytest.mark.parametrize("on", [False, 1, "true", None])
def test_what_the_condition_does_not_name_is_passed_over(on: object) -> None:
    assert take(ALERT, GOOD | {"on": on}) == Advisory(DEVICE, "cam/{id}/alarm")


def test_a_condition_may_be_a_number_or_a_word() -> None:
    for equals, said in ((3, 3), (3, 3.0), ("open", "open")):
        rule = ALERT | {"when": {"path": "$.on", "equals": equals}}
        assert isinstance(take(rule, GOOD | {"on": said}), Unsequenced)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": "PANIC"}, "a value does not fit at `$.severity`"),
        ({"level": None}, "expected a number or a text at $.level"),
        ({"sure": 1.5}, "a value does not fit at `$.score`"),
        ({"sure": "nan"}, "expected a number at $.sure"),
        ({"sure": "0_5"}, "expected a number at $.sure"),
        ({"sure": [1]}, "expected a number or a text at $.sure"),
        ({"where": []}, "expected a number or a text at $.where.0.name"),
        ({"where": {"0": {}}}, "expected a number or a text at $.where.0.name"),
        ({"code": "x" * 65}, "a value does not fit at `$.label`"),
        ({"speed": 10**400}, "a number is out of range"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_path(change: dict[str, Any], words: str) -> None:
    assert refused(ALERT, GOOD | change) == (Reason.MALFORMED, f"cam/{{id}}/alarm: {words}")


def test_what_the_contract_does_not_allow_is_refused() -> None:
    reason, detail = refused(ALERT, GOOD | {"speed": 10})
    assert (reason, "speed" in detail) == (Reason.CONTRACT, True)


def test_no_value_of_a_payload_is_repeated_in_a_refusal() -> None:
    for change in ({"level": "s3cret"}, {"sure": "s3cret"}, {"code": "s3cret" * 20}):
        assert "s3cret" not in refused(ALERT, GOOD | change)[1]


def test_a_retained_event_is_refused() -> None:
    """The broker would say it again at each new connection, as if it happened again."""
    answer = take(ALERT, GOOD, retained=True)
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.RETAINED


def test_a_frame_of_the_camera_is_refused_on_every_topic() -> None:
    """As the payload itself, and spelled in base64 within a text."""
    picture = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(9_000)
    spelled = base64.b64encode(picture[:700]).decode()
    for rule, payload in ((TEXT, picture), (ALERT, picture), (LOG, {"s": "info", "m": spelled})):
        assert refused(rule, payload)[0] is Reason.FRAME


@pytest.mark.parametrize("payload", [b"21.5", b" 21.5\r\n", b"2.15e1", b"+21.5"])
def test_a_text_is_a_decimal_number(payload: bytes) -> None:
    answer = take(TEXT, payload)
    assert isinstance(answer, Unsequenced)
    assert msgspec.to_builtins(answer.message.items)[0]["value"] == 21.5


@pytest.mark.parametrize(
    "payload", [b"", b"21,5", b"inf", b"0x10", b"1e999", b"\xff", b"9" * 65_537]
)
def test_a_text_that_is_no_number_is_refused(payload: bytes) -> None:
    assert refused(TEXT, payload)[0] is Reason.MALFORMED


def test_an_error_line_is_of_the_class_of_errors() -> None:
    answer = take(LOG, {"s": "error", "m": True})
    assert isinstance(answer, Unsequenced)
    assert answer.message.message_class is MessageClass.ERROR_LOG
    (item,) = answer.message.items
    assert isinstance(item, LogItem)
    assert item.message == "true"


def test_json_that_is_none_or_too_deep_is_refused() -> None:
    for payload in (b"{", b"[" * 100_000, b'"\xff"'):
        assert refused(LOG, payload) == (Reason.MALFORMED, "l/{id}: the payload is not JSON")


NAMES = st.sampled_from(["on", "s", "m", "level", "code", "where"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=9,
)


@given(st.binary(max_size=200) | ANYTHING)
def test_no_payload_breaks_the_reader(payload: object) -> None:
    for rule in (ALERT, TEXT, LOG):
        assert isinstance(take(rule, payload), Unsequenced | Advisory | Refusal)
