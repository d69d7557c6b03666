"""What must not wait has a lane of its own, and a status is answered behind all of its device."""

from typing import cast

import msgspec

from gateway.app.lanes import DATA, URGENT, Lane, come_back, send_behind
from gateway.broker.mqtt import Link
from gateway.intake.wire import StatusReport
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId
from gateway.model.status import DeviceStatus

STATUS = msgspec.convert(
    {
        "v": 1,
        "state": "online",
        "profile": "p",
        "agent": "a",
        "boot": "b",
        "synced": True,
        "last": {"epoch": 7, "alert": 1, "data": 2},
    },
    DeviceStatus,
)


class Sent:
    """A link as a program: it logs what is sent."""

    def __init__(self) -> None:
        self.log: list[tuple[str, bytes]] = []

    def post(self, topic: str, payload: bytes) -> None:
        self.log.append((topic, payload))

    send = post

    @property
    def link(self) -> Link:
        return cast("Link", self)


def delivery(topic: str, payload: bytes = b"") -> Delivery:
    return Delivery(topic, payload, retained=False, content_type="", token=(1, 1))


def test_a_status_that_was_sent_behind_the_data_comes_back_as_it_was() -> None:
    sent = Sent()
    send_behind(sent.link, StatusReport(DeviceId("cam-01"), STATUS, retained=False, answer=False))
    ((topic, payload),) = sent.log
    assert topic.replace("cam-01", "+") in DATA
    back = come_back(delivery(topic, payload))
    assert back is not None
    assert back.topic == "line/cam-01/up/status"
    assert msgspec.json.decode(back.payload, type=DeviceStatus) == STATUS


def test_nothing_else_is_a_status_that_comes_back() -> None:
    for topic in ("line/cam-01/up/status", "line/cam-01/up/data", "gateway/echo", "gateway", ""):
        assert come_back(delivery(topic)) is None


def test_data_alone_is_on_the_lane_of_data_and_the_status_is_heard_last() -> None:
    assert DATA == ("line/+/up/data", "gateway/+/status")
    assert URGENT[-1] == "line/+/up/status"
    channels = ("alert", "evidence", "infer", "status", "update")
    assert sorted(URGENT) == [f"line/+/up/{channel}" for channel in channels]


def test_the_receipts_of_both_lanes_leave_on_one_in_the_order_of_their_commits() -> None:
    data, urgent = Sent(), Sent()
    lanes = [Lane(urgent.link, urgent.link), Lane(data.link, urgent.link)]
    for number, lane in enumerate([lanes[0], lanes[1], lanes[0]]):
        lane.send("line/cam-01/down/receipt", b"%d" % number)
    assert [payload for _, payload in urgent.log] == [b"0", b"1", b"2"]
    assert data.log == []
