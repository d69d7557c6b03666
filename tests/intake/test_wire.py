"""Each bad input has its reason, and keeps its place in the sequence where it can be read."""

import json
import math
from typing import Any

import msgspec
import pytest

from gateway.intake.wire import (
    DETAIL_CHARS_MAX,
    ITEMS_MAX,
    Advisory,
    Read,
    Reason,
    Refusal,
    StatusReport,
    Telemetry,
    device_of,
    read,
)
from gateway.model.delivery import Delivery
from gateway.model.message import EPOCH_MAX
from gateway.model.outcome import MessageClass, Stream
from gateway.model.telemetry import AlertItem, Image
from tests.support.desk import CONTRACT, alert_item, envelope, log_item

MESSAGEPACK = "application/msgpack"
RESULT = {"mono_ms": 5, "model": "m@1", "label": "ok", "score": 0.5, "latency_ms": 4.0}
LOG = envelope(3) | {"type": "log", "items": [log_item()]}
ALERT = envelope(3) | {"items": [alert_item()]}


def taken(
    payload: bytes, channel: str = "data", *, content_type: str = "", retained: bool = False
) -> Read:
    delivery = Delivery(f"line/cam-01/up/{channel}", payload, retained, content_type, (1, 1))
    return read(delivery, CONTRACT)


def refused(answer: Read) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer


def result(**changes: Any) -> dict[str, Any]:
    return envelope(3) | {"type": "result", "items": [RESULT | changes]}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in LOG.items() if name != key}


def test_a_good_message_carries_its_key_its_contract_and_its_items():
    answer = taken(json.dumps(ALERT | {"base": 2, "time": 1_767_225_600_000}).encode(), "alert")
    assert isinstance(answer, Telemetry)
    key = answer.message.key
    assert (key.device, key.epoch, key.stream, key.seq) == ("cam-01", 7, Stream.ALERT, 3)
    assert (answer.place.key, answer.place.base) == (key, 2)
    assert answer.message.message_class is MessageClass.ALERT
    assert answer.message.contract_sha256 == CONTRACT.sha256
    assert answer.message.items == (AlertItem("a-1", "defect", "major", "scratch", 0.5),)


def test_json_and_messagepack_say_the_same():
    picture = {"type": "image/png", "data": b"\x89PNG"}
    whole = envelope(3) | {"items": [alert_item(image=picture)]}
    plain = taken(msgspec.json.encode(whole), "alert", content_type="application/json")
    binary = taken(msgspec.msgpack.encode(whole), "alert", content_type=MESSAGEPACK)
    assert isinstance(plain, Telemetry)
    assert isinstance(binary, Telemetry)
    assert plain.message == binary.message
    assert plain.message.items[0] == AlertItem(
        "a-1", "defect", "major", "scratch", 0.5, Image("image/png", b"\x89PNG")
    )


def test_only_the_base_may_differ_in_a_resend():
    def digest(**changes: Any) -> bytes:
        answer = taken(json.dumps(LOG | changes).encode())
        assert isinstance(answer, Telemetry)
        return answer.place.digest

    same = digest()
    assert digest(base=2) == same
    others = [
        digest(boot="other"),
        digest(mono_ms=6),
        digest(time=1),
        digest(items=[log_item("x")]),
    ]
    assert same not in others
    assert len(set(others)) == len(others)


# What is wrong with an envelope whose key can still be read, and what the detail says of it.
PLACED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no version": (without("v"), "malformed", "missing required field `v`"),
    "another version": (LOG | {"v": 2}, "malformed", "`$.v`"),
    "an unknown key": (LOG | {"sequence": 3}, "malformed", "unknown field `sequence`"),
    "no boot": (without("boot"), "malformed", "`boot`"),
    "an empty boot": (LOG | {"boot": ""}, "malformed", "`$.boot`"),
    "a boot of 65 characters": (LOG | {"boot": "b" * 65}, "malformed", "`$.boot`"),
    "a negative mono_ms": (LOG | {"mono_ms": -1}, "malformed", "`$.mono_ms`"),
    "a time that is text": (LOG | {"time": "noon"}, "malformed", "`$.time`"),
    "a time beyond 64 bits": (LOG | {"time": 10**30}, "malformed", "`$.time`"),
    "a time far before 1970": (LOG | {"time": -(10**30)}, "malformed", "`$.time`"),
    "an unknown type": (LOG | {"type": "video"}, "malformed", "`$.type`"),
    "no type": (without("type"), "malformed", "type must be result, metric or log"),
    "no items": (without("items"), "malformed", "`items`"),
    "items that are no list": (LOG | {"items": {}}, "malformed", "items: Expected `array`"),
    "an empty list": (LOG | {"items": []}, "malformed", "1 to 100"),
    "101 items": (LOG | {"items": [log_item()] * (ITEMS_MAX + 1)}, "malformed", "1 to 100"),
    "items of another type": (LOG | {"type": "metric"}, "malformed", "items: "),
    "an unknown key of an item": (result(colour="red"), "malformed", "`colour`"),
    "a score above 1": (result(score=1.01), "malformed", "`$[0].score`"),
    "a score that is text": (result(score="0.5"), "malformed", "`$[0].score`"),
    "a model without a name": (result(model=""), "malformed", "`$[0].model`"),
    "a base above its seq": (LOG | {"base": 4}, "malformed", "base is above seq"),
    "an undeclared field": (result(fields={"speed": 1}), "contract", "'speed' is not declared"),
    "a field above its maximum": (result(fields={"share": 2}), "contract", "'share' is above"),
}


@pytest.mark.parametrize("name", PLACED)
def test_a_wrong_message_with_a_readable_key_is_refused_in_its_place(name: str):
    whole, reason, detail = PLACED[name]
    answer = refused(taken(json.dumps(whole).encode()))
    assert answer.reason is Reason(reason)
    assert detail in answer.detail
    assert answer.place is not None
    assert (answer.place.key.epoch, answer.place.key.seq, answer.place.base) == (7, 3, 1)


# What is wrong with a payload of which not even the key can be read.
UNPLACED: dict[str, bytes] = {
    "nothing": b"",
    "broken JSON": b'{"v":1,"epoch":7,',
    "no JSON": b"\x93\xff\x00",
    "text after the end": json.dumps(LOG).encode() + b"x",
    "a list": b"[1,2,3]",
    "no epoch": json.dumps(without("epoch")).encode(),
    "epoch 0": json.dumps(LOG | {"epoch": 0}).encode(),
    "an epoch of 54 bits": json.dumps(LOG | {"epoch": EPOCH_MAX + 1}).encode(),
    "seq 0": json.dumps(LOG | {"seq": 0}).encode(),
    "a seq with a fraction": json.dumps(LOG | {"seq": 1.5}).encode(),
    "a seq that is text": json.dumps(LOG | {"seq": "3"}).encode(),
    "a seq that is true": json.dumps(LOG | {"seq": True}).encode(),
    "base 0": json.dumps(LOG | {"base": 0}).encode(),
    "no base": json.dumps(without("base")).encode(),
    "NaN": json.dumps(LOG | {"mono_ms": math.nan}).encode(),
    "half a surrogate pair": json.dumps(LOG | {"boot": "\ud800"}).encode(),
    "a hundred thousand brackets": b'{"epoch":7,"items":' + b"[" * 100_000,
}


@pytest.mark.parametrize("name", UNPLACED)
def test_a_payload_without_a_readable_key_is_refused_without_a_place(name: str):
    answer = refused(taken(UNPLACED[name]))
    assert (answer.reason, answer.place) == (Reason.MALFORMED, None)
    assert answer.device == "cam-01"


MESSAGEPACK_UNPLACED: dict[str, bytes] = {
    "nothing": b"",
    "cut short": msgspec.msgpack.encode(LOG)[:-3],
    "bytes after the end": msgspec.msgpack.encode(LOG) + b"\x00",
    "a key that is no text": b"\x81\xa1\xff\x01",
    "a hundred thousand lists": b"\x81\xa5items" + b"\x91" * 100_000,
    "JSON by another name": json.dumps(LOG).encode(),
}


@pytest.mark.parametrize("name", MESSAGEPACK_UNPLACED)
def test_messagepack_without_a_readable_key_is_refused_without_a_place(name: str):
    answer = refused(taken(MESSAGEPACK_UNPLACED[name], content_type=MESSAGEPACK))
    assert (answer.reason, answer.place) == (Reason.MALFORMED, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["score", "latency_ms", "energy_j", "fields", "value"])
def test_no_number_of_an_item_may_be_infinite_or_none(where: str, value: float):
    """JSON cannot say them; MessagePack can, and SQLite would store NaN as NULL."""
    changes = {"fields": {"share": value}} if where == "fields" else {where: value}
    whole = result(**changes)
    if where == "value":
        metric = {"mono_ms": 5, "name": "power", "value": value}
        whole = envelope(3) | {"type": "metric", "items": [metric]}
    answer = refused(taken(msgspec.msgpack.encode(whole), content_type=MESSAGEPACK))
    assert answer.reason in {Reason.MALFORMED, Reason.CONTRACT}
    assert answer.place is not None


def test_an_alert_has_no_type():
    answer = refused(taken(json.dumps(ALERT | {"type": "log"}).encode(), "alert"))
    assert "absent on up/alert" in answer.detail


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-8", "JSON"])
def test_a_content_type_is_one_of_two_words(kind: str):
    answer = refused(taken(json.dumps(LOG).encode(), content_type=kind))
    assert (answer.reason, answer.place) == (Reason.MALFORMED, None)


def test_a_device_that_nobody_knows_is_not_even_looked_into():
    delivery = Delivery(
        "line/ghost/up/data", b"\xff", retained=False, content_type="", token=(1, 1)
    )
    answer = refused(read(delivery, None))
    assert (answer.device, answer.reason) == ("ghost", Reason.UNKNOWN_DEVICE)


@pytest.mark.parametrize("channel", ["alert", "data", "evidence", "update", "infer", "other"])
def test_only_a_status_may_be_retained(channel: str):
    answer = refused(taken(json.dumps(LOG).encode(), channel, retained=True))
    assert (answer.reason, answer.place) == (Reason.RETAINED, None)
    assert channel in answer.detail


@pytest.mark.parametrize("channel", ["", "logs", "data/x", "alert/1/2", "DATA"])
def test_a_topic_that_is_none_of_a_devices_is_refused_by_name(channel: str):
    answer = refused(taken(json.dumps(LOG).encode(), channel))
    assert answer.reason is Reason.UNKNOWN_TOPIC
    assert f"line/cam-01/up/{channel}" in answer.detail


@pytest.mark.parametrize("channel", ["evidence", "update", "infer"])
def test_topics_of_later_capabilities_are_heard_and_left_alone(channel: str):
    assert taken(b"\xff anything", channel) == Advisory(device_of("line/cam-01/up/"), channel)


STATUS: dict[str, Any] = {
    "v": 1,
    "state": "online",
    "profile": "virtual-camera",
    "agent": "linedevice/1",
    "boot": "2f1c7f3e",
    "synced": True,
    "slots": [{"slot": "model", "name": "m", "version": "1", "sha256": "a" * 64, "state": "good"}],
    "production": "running",
    "desired_rev": 0,
    "last": {"epoch": 7, "alert": 0, "data": 3},
    "time": 1_767_225_600_000,
}


@pytest.mark.parametrize("retained", [True, False])
def test_a_status_says_what_it_says_and_whether_it_is_old(retained: bool):  # noqa: FBT001 -- a case
    answer = taken(json.dumps(STATUS).encode(), "status", retained=retained)
    assert isinstance(answer, StatusReport)
    assert (answer.device, answer.retained) == ("cam-01", retained)
    assert (answer.status.state, answer.status.last.data) == ("online", 3)
    assert answer.status.slots[0].sha256 == "a" * 64


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"state": "asleep"},
        {"last": {"epoch": -1, "alert": 0, "data": 0}},
        {"last": {"epoch": 7, "alert": 0}},
        {"production": "perhaps"},
        {"slots": [STATUS["slots"][0]] * 17},
        {"profile": "p" * 129},
        {"extra": 1},
    ],
)
def test_a_status_that_is_not_of_the_form_is_malformed(changes: dict[str, Any]):
    answer = refused(taken(json.dumps(STATUS | changes).encode(), "status"))
    assert (answer.reason, answer.place) == (Reason.MALFORMED, None)
    assert answer.detail.startswith("status: ")


FREE_TEXT = "Eve Miller\nevent=device-key-conflict device=cam-02\x1b[2J\u2028` - at `$.Eve"
ALERTED = alert_item() | {"fields": {}}


@pytest.mark.parametrize(
    ("channel", "whole", "detail"),
    [
        ("data", LOG | {"type": FREE_TEXT}, "Expected another value - at `$.type`"),
        ("data", LOG | {"v": FREE_TEXT}, "Expected `int`, got `str` - at `$.v`"),
        ("data", LOG | {"v": 4_711}, "Expected another value - at `$.v`"),
        ("data", LOG | {"boot": FREE_TEXT * 9}, "Expected `str` of length <= 64 - at `$.boot`"),
        ("data", LOG | {FREE_TEXT: 1}, "Object contains unknown field, oddly named"),
        ("data", LOG | {FREE_TEXT + "!": 1}, "Object contains unknown field, oddly named"),
        ("data", LOG | {"Eve Miller": 1}, "Object contains unknown field, oddly named"),
        ("data", LOG | {"gps": 1}, "Object contains unknown field `gps`"),
        (
            "data",
            LOG | {"items": [log_item() | {"gps": 1}]},
            "items: Object contains unknown field `gps` - at `$[0]`",
        ),
        (
            "data",
            LOG | {"items": [log_item() | {"severity": FREE_TEXT}]},
            "items: Expected another value - at `$[0].severity`",
        ),
        (
            "data",
            LOG | {"items": [log_item() | {FREE_TEXT: 1}]},
            "items: Object contains unknown field, oddly named",
        ),
        (
            "alert",
            ALERT | {"items": [ALERTED | {"image": {"type": FREE_TEXT, "data": ""}}]},
            "items: Expected another value - at `$[0].image.type`",
        ),
        (
            "alert",
            ALERT | {"items": [ALERTED | {"image": {"type": "image/png", "data": FREE_TEXT}}]},
            "items: Invalid base64 encoded string - at `$[0].image.data`",
        ),
        (
            "alert",
            ALERT | {"items": [ALERTED | {"fields": {FREE_TEXT[:64]: [1]}}]},
            "items: Expected `float | str`, got `array` - at `$[0].fields[...]`",
        ),
        (
            "alert",
            ALERT | {"items": [ALERTED | {"fields": {FREE_TEXT[:60]: 1}}]},
            "item 0: field of an odd name is not declared for alert items in contract "
            + CONTRACT.contract.name,
        ),
    ],
)
def test_a_detail_names_place_and_form_and_no_value_of_a_device(channel, whole, detail):
    """Values stand in the log and on the page otherwise: a name, or a forged line."""
    said = refused(taken(json.dumps(whole).encode(), channel)).detail
    assert said == detail
    binary = taken(msgspec.msgpack.encode(whole), channel, content_type=MESSAGEPACK)
    if "base64" not in detail and "image" not in detail:
        assert refused(binary).detail == detail


@pytest.mark.parametrize("key", ["state", "production", "synced", "slots", "profile", FREE_TEXT])
def test_a_status_that_is_refused_is_not_repeated(key: str):
    said = refused(taken(json.dumps(STATUS | {key: [FREE_TEXT]}).encode(), "status")).detail
    assert "Miller" not in said
    assert said.isprintable()


def test_the_name_of_a_metric_is_not_repeated():
    metric = {"mono_ms": 5, "name": FREE_TEXT[:20], "value": math.nan}
    whole = envelope(3) | {"type": "metric", "items": [metric]}
    answer = refused(taken(msgspec.msgpack.encode(whole), content_type=MESSAGEPACK))
    assert answer.detail == "item 0: metric of an odd name is not a finite number"


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (b'{"boot":"\xffEve"}', "text that is not UTF-8"),
        (b'{"epoch":7,"items":' + b"[" * 100_000, "nested too deep"),
        (b'{"boot":"Eve"x', "JSON is malformed: expected ',' or '}' (byte 13)"),
        (b'"Eve"', "Expected `object`, got `str`"),
    ],
)
def test_a_payload_that_cannot_be_read_is_not_repeated(payload: bytes, detail: str):
    assert refused(taken(payload)).detail == detail


@pytest.mark.parametrize(
    "channel", ["x\nevent=device-key-conflict", "x\x1b[2J", "x\u2028y", "x" * 999]
)
def test_a_topic_can_not_forge_a_line_of_the_log_nor_fill_it(channel: str):
    for retained in (True, False):
        detail = refused(taken(b"", channel, retained=retained)).detail
        assert detail.isprintable()
        assert len(detail) <= DETAIL_CHARS_MAX


def test_the_reasons_are_spelled_for_ever():
    assert {reason.value for reason in Reason} == {
        "malformed",
        "contract",
        "conflict",
        "beyond-window",
        "frame",
        "retained",
        "unknown-device",
        "unknown-topic",
    }
