"""Must hold: a frame from the camera feed on any upload path is refused and counted.

Two walls, each tested without the other: the intake refuses what looks like a frame, and
what is in the queue all the same (a fault there, an older release) does not leave.
"""

import base64
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.intake.mapped import read_mapped
from gateway.intake.wire import Reason, Refusal, Telemetry, read
from gateway.model.contract import (
    AlertRule,
    Contract,
    ContractInForce,
    FieldRule,
    ItemKind,
    ResultRule,
)
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId
from gateway.model.outcome import MessageClass
from gateway.model.telemetry import AlertItem, Image, LogItem, ResultItem
from gateway.model.topicmap import TopicRule
from gateway.spool import store
from tests.app.test_queue import Plant
from tests.support.batch import records
from tests.support.camera import FRAME, jpeg, letters, picture, png
from tests.support.desk import Desk, alert_item, arrival, envelope, log_item
from tests.support.spooled import CIPHER, message

ALL_KINDS: tuple[ItemKind, ...] = ("alert", "result", "log")
OPEN = ContractInForce(
    Contract(
        version=1,
        name="open",
        fields={"note": FieldRule("string", ALL_KINDS, max_chars=256, leaves=True)},
        alert=AlertRule(picture_leaves=True, picture_max_bytes=262_144, picture_max_pixels=76_800),
        result=ResultRule(rows_leave=True),
    ),
    "a" * 64,
)
"""As open as a contract can be: whatever stays, stays for another reason."""

NOTE = letters(chars=256)
LABEL = letters(chars=64, at=500)
RESULT = {"mono_ms": 5, "model": "m@1", "label": "ok", "score": 0.5, "latency_ms": 4.0}
METRIC = {"mono_ms": 5, "name": "power", "value": 4.5}


def shown(image: Image) -> dict[str, Any]:
    return {"image": {"type": image.type, "data": base64.b64encode(image.data).decode()}}


PATHS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "a frame as an alert's picture": ("alert", [alert_item(**shown(png(FRAME)))]),
    "a frame as a JPEG": ("alert", [alert_item(**shown(jpeg(FRAME)))]),
    "a frame in tiles": ("alert", [alert_item(**shown(png((160, 160))))] * 12),
    "a frame behind a scrap": (
        "alert",
        [alert_item(**shown(Image("image/png", picture((8, 8)) + picture(FRAME, "JPEG"))))],
    ),
    "bytes of no format": (
        "alert",
        [alert_item(**shown(Image("image/png", picture(FRAME, "JPEG")[5:])))],
    ),
    "an alert's labels": ("alert", [alert_item(label=LABEL, kind=LABEL)] * 20),
    "an alert's field": ("alert", [alert_item(fields={"note": NOTE})]),
    "a result's labels": ("result", [RESULT | {"label": LABEL}] * 20),
    "a result's models": ("result", [RESULT | {"model": letters(chars=128)}] * 8),
    "a result's stages": ("result", [RESULT | {"stages_ms": {LABEL: 1.0}}] * 20),
    "a result's field": ("result", [RESULT | {"fields": {"note": NOTE}}]),
    "metrics' names": ("metric", [METRIC | {"name": LABEL}] * 20),
    "a log's message": ("log", [log_item(letters())]),
    "a log's template": ("log", [log_item() | {"template": NOTE}]),
    "a log's field": ("log", [log_item() | {"fields": {"note": NOTE}}]),
    "logs line by line": ("log", [log_item(letters(chars=70, at=70 * n)) for n in range(20)]),
}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Desk(tmp_path / "spool.db", contract=OPEN) as opened:
        yield opened


def sent(kind: str, items: list[dict[str, Any]]) -> tuple[str, bytes]:
    head = {} if kind == "alert" else {"type": kind}
    whole = envelope(1) | head | {"items": items}
    return "alert" if kind == "alert" else "data", json.dumps(whole).encode()


@pytest.mark.parametrize("name", PATHS)
async def test_a_frame_from_the_camera_feed_on_any_upload_path_is_refused_and_counted(
    name: str, desk: Desk
):
    channel, payload = sent(*PATHS[name])
    delivery = Delivery(f"line/cam-01/up/{channel}", payload, False, "", (1, 1))  # noqa: FBT003
    found = read(delivery, OPEN)
    assert isinstance(found, Refusal), found
    assert found.reason is Reason.FRAME
    result = await desk.take((found, payload))
    assert (result.stored, result.refused) == (0, [("cam-01", Reason.FRAME)])
    ((_, receipt),) = result.receipts
    assert receipt.refused == ((channel, 1, "frame"),)
    assert desk.letters() == [("frame", b"")]
    assert desk.rows("SELECT count(*) FROM message") == [(0,)]


@pytest.mark.parametrize("channel", ["alert", "data", "whatever"])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
async def test_a_frame_as_a_payload_is_refused_and_nothing_of_it_is_kept(
    channel: str, form: str, desk: Desk
):
    result = await desk.take(arrival(picture(FRAME, form), channel))
    assert result.refused == [("cam-01", Reason.FRAME)]
    assert desk.letters() == [("frame", b"")]


MAPPED: dict[str, dict[str, Any]] = {
    "alert": {
        "alert": {"kind": "k", "severity": "minor", "label": "$.x", "fields": {"note": "$.y"}}
    },
    "log": {"log": {"severity": "info", "template": "t", "message": "$.y"}},
    "metric": {"metrics": [{"name": "m", "value": "$.v"}]},
}


@pytest.mark.parametrize(
    ("block", "payload"),
    [
        ("alert", json.dumps({"x": "a", "y": NOTE}).encode()),
        ("log", json.dumps({"y": letters()}).encode()),
        ("metric", picture(FRAME, "JPEG")),
        ("log", picture(FRAME)),
    ],
)
async def test_a_frame_on_a_topic_of_a_bought_device_is_refused_and_counted(
    block: str, payload: bytes, desk: Desk
):
    rule = msgspec.convert({"topic": "cam/{id}/x", "payload": "json"} | MAPPED[block], TopicRule)
    delivery = Delivery("cam/cam-01/x", payload, False, "", (1, 1))  # noqa: FBT003
    found = read_mapped(delivery, DeviceId("cam-01"), rule, OPEN, 5)
    assert isinstance(found, Refusal), found
    result = await desk.take((found, payload))
    assert (result.stored, result.refused) == (0, [("cam-01", Reason.FRAME)])
    assert desk.letters() == [("frame", b"")]


async def test_a_picture_in_a_message_that_is_refused_for_another_reason_is_not_kept(desk: Desk):
    item = alert_item(colour="red", **shown(png()))
    _, payload = sent("alert", [item])
    await desk.take(arrival(payload, "alert"))
    assert desk.letters() == [("malformed", b"")]


async def test_a_picture_beyond_every_bound_is_no_message_and_is_not_kept(desk: Desk):
    _, payload = sent("alert", [alert_item(**shown(png((1_024, 768))))])
    await desk.take(arrival(payload, "alert"))
    assert desk.letters() == [("malformed", b"")]


def test_a_part_of_a_frame_is_admitted_with_its_alert():
    channel, payload = sent("alert", [alert_item(**shown(png()))])
    delivery = Delivery(f"line/cam-01/up/{channel}", payload, False, "", (1, 1))  # noqa: FBT003
    assert isinstance(read(delivery, OPEN), Telemetry)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    made = Plant(tmp_path / "spool.db")
    made.contracts = [OPEN]
    async with made as opened:
        yield opened


async def uploaded(plant: Plant, message_class: MessageClass, *items: Any) -> list[dict[str, Any]]:
    """Put items into the queue past the intake; return the records that would leave."""
    one = message(1, message_class, *items, contract=OPEN)
    now = plant.clock.site()
    await plant.engine.write(store.enqueue, [one], now, plant.queue.contracts, CIPHER)
    return records((await plant.sealed()).body)


def alert_of(**more: Any) -> AlertItem:
    return AlertItem("a-1", "defect", "major", "scratch", 0.5, **more)


@pytest.mark.parametrize(
    ("images", "why"),
    [
        ([png(FRAME)], "frame"),
        ([png((160, 160))] * 12, "frame"),
        ([jpeg(FRAME)], "frame"),
        ([Image("image/png", picture((8, 8)) + picture(FRAME, "JPEG"))], "frame"),
        ([Image("image/png", picture(FRAME)[5:])], "frame"),
    ],
    ids=["frame", "tiles", "jpeg", "freight", "unreadable"],
)
async def test_a_frame_that_got_into_the_queue_does_not_leave_and_is_counted(
    images: list[Image], why: str, plant: Plant
):
    alerts = [alert_of(image=image) for image in images]
    left = await uploaded(plant, MessageClass.ALERT, *alerts)
    assert [set(one) for one in left] == [{"time_s", "kind", "severity", "label", "score"}] * len(
        images
    )
    assert plant.register.counters == Counter({f"pictures_kept_total:{why}": len(images)})


async def test_a_part_of_a_frame_leaves_where_the_contract_says_so(plant: Plant):
    (left,) = await uploaded(plant, MessageClass.ALERT, alert_of(image=png()))
    assert left["picture"].startswith(b"\x89PNG")
    assert plant.register.counters == Counter()


HEX = picture(FRAME, "JPEG")[900:932].hex()  # 64 characters of the alphabet of words


@pytest.mark.parametrize(
    ("message_class", "item", "columns"),
    [
        (
            MessageClass.ALERT,
            alert_of(fields={"note": HEX}),
            ("field.note",),
        ),
        (MessageClass.ALERT, AlertItem("a", HEX, "major", HEX, 0.5), ("kind", "label")),
        (MessageClass.RESULT, ResultItem(5, f"{HEX}@1", HEX, 0.5, 4.0), ("model", "label")),
        (MessageClass.LOG, LogItem(5, "info", HEX), ("template",)),
        (MessageClass.ERROR_LOG, LogItem(5, "error", HEX), ("template",)),
    ],
    ids=["field", "alert", "result", "log", "error-log"],
)
async def test_words_that_carry_bytes_leave_as_other(
    message_class: MessageClass, item: Any, columns: tuple[str, ...], plant: Plant
):
    (left,) = await uploaded(plant, message_class, item)
    assert [left[column] for column in columns] == ["other"] * len(columns)


async def test_free_text_and_metrics_have_no_way_out(plant: Plant):
    (left,) = await uploaded(plant, MessageClass.LOG, LogItem(5, "info", "boot", letters()))
    assert left == {"template": "boot", "severity": "info", "count": 1}
