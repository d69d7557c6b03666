"""What the device says about what it sees, judged by the gateway's own reader."""

import json
import sqlite3
import threading
from dataclasses import dataclass, field

import msgspec
import pytest

from gateway.intake.wire import StatusReport, Telemetry, read
from gateway.model.contract import Contract, ContractInForce
from gateway.model.delivery import Delivery
from hil.linedevice.device import LOGS_WAITING, LineDevice, Look
from hil.linedevice.outbox import Outbox
from hil.linedevice.payloads import PAYLOAD_MAX_BYTES, Slot, Stream, encode

MODEL = Slot("model", "surface-defects", "1.0.0", "5f" * 32, "active")
CONTRACT = ContractInForce(Contract(version=1, name="factory-camera-v2"), "0" * 64)
FAST_HZ = 1e6


@dataclass
class Found:
    label: str = "ok"
    score: float = 0.123456
    stages_ms: dict[str, float] = field(default_factory=lambda: {"pre": 0.1, "infer": 0.90004})
    crop_png: bytes | None = None


DEFECT = Found("defect", 0.97, crop_png=b"\x89PNG")


def heard(channel, payload, content_type=""):
    topic = f"line/cam-01/up/{channel}"
    delivery = Delivery(topic, payload, retained=False, content_type=content_type, token=(1, 1))
    return read(delivery, CONTRACT)


class Line:
    """A device that sees the given frames and then ends."""

    def __init__(self, outbox, frames):
        self.outbox, self.frames = outbox, iter(frames)
        self.stopping = threading.Event()
        self.device = LineDevice(
            self.look, outbox, profile="factory-camera-v2", model=MODEL, rate_hz=FAST_HZ
        )
        self.woken = 0
        self.device.wake = self.wake

    def wake(self):
        self.woken += 1

    def look(self):
        frame = next(self.frames, None)
        if frame is None:
            self.stopping.set()
            frame = Found()
        return Look(frame, 127.5)

    def run(self):
        self.device.run(self.stopping)
        return self.said()

    def said(self):
        """Every message in the outbox, as the gateway reads it."""
        found = []
        for stream, numbers in self.outbox.held().items():
            for seq in numbers:
                message = self.outbox.read(stream, seq)
                assert message is not None
                answer = heard(stream.value, encode(message), message.draft.content_type)
                assert isinstance(answer, Telemetry), answer
                found.append(answer.message)
        return found


@pytest.fixture
def outbox(tmp_path):
    with Outbox(tmp_path / "outbox.db") as outbox:
        yield outbox


def of(messages, kind):
    return [message for message in messages if message.message_class.value == kind]


def test_an_alert_is_stored_and_the_link_woken_before_the_next_frame(outbox):
    line = Line(outbox, [])
    seen = []

    def look():
        seen.append((len(outbox.held()[Stream.ALERT]), line.woken))
        if len(seen) == 3:
            line.stopping.set()
        return Look(DEFECT, 1.0)

    line.device._look = look
    line.run()
    assert [alerts for alerts, _ in seen] == [0, 1, 2]
    assert seen[1][1] >= 1


def test_an_alert_carries_its_picture_as_bytes(outbox):
    (message,) = of(Line(outbox, [DEFECT]).run(), "alert")
    (item,) = message.items
    assert (item.kind, item.severity, item.label) == ("surface-defect", "major", "defect")
    assert item.image.data == b"\x89PNG"


def test_a_picture_that_fits_no_packet_is_left_out_and_the_alert_is_not(outbox):
    large = Found("defect", 0.6, crop_png=bytes(PAYLOAD_MAX_BYTES))
    (message,) = of(Line(outbox, [large]).run(), "alert")
    (item,) = message.items
    assert (item.image, item.severity) == (None, "minor")


def test_results_of_a_second_are_one_message_of_at_most_a_hundred(outbox):
    line = Line(outbox, [Found()] * 249)
    messages = of(line.run(), "result")
    assert sum(len(message.items) for message in messages) == 250
    assert max(len(message.items) for message in messages) <= 100
    assert len(messages) <= 5, "not one message a frame"
    item = messages[0].items[0]
    assert (item.model, item.score) == ("surface-defects@1.0.0", 0.1235)
    assert item.latency_ms == pytest.approx(1.0, abs=1e-3)


def test_what_is_open_is_stored_before_it_stops(outbox):
    line = Line(outbox, [Found()] * 3)
    line.device._batch_at = float("inf")
    assert sum(len(message.items) for message in of(line.run(), "result")) == 4


def test_it_says_at_its_start_that_it_started_and_how_it_is(outbox):
    messages = Line(outbox, []).run()
    (log,) = of(messages, "log")
    assert [(item.severity, item.template) for item in log.items] == [("info", "device-started")]
    (metric,) = of(messages, "metric")
    values = {item.name: item.value for item in metric.items}
    assert {"mean_brightness", "frames_total", "alerts_total"} <= values.keys()
    assert values["mean_brightness"] == 127.5


def test_a_refused_log_line_cannot_cause_the_next_one_at_once(outbox):
    line = Line(outbox, [])
    line.device.flush()
    line.device.log("warning", "message-refused", "data 1 contract")
    line.device.flush()
    assert len(of(line.said(), "log")) == 1
    line.device._metrics_at = 0.0
    line.device.flush()
    assert len(of(line.said(), "log")) == 2


def test_log_lines_are_bounded_in_number_and_length(outbox):
    line = Line(outbox, [])
    for number in range(5 * LOGS_WAITING):
        line.device.log("error", "receipt-unreadable", f"{number} " + "x" * 5000)
    line.device.flush()
    (log,) = of(line.said(), "error-log")
    assert len(log.items) == LOGS_WAITING
    assert log.items[-1].message.startswith("499 ")


def test_the_status_is_one_that_the_gateway_reads(outbox):
    line = Line(outbox, [DEFECT])
    line.run()
    payload = msgspec.json.encode(line.device.status("online", outbox.last()))
    answer = heard("status", payload)
    assert isinstance(answer, StatusReport), answer
    assert answer.status.last.alert == 1
    assert answer.status.slots[0].name == "surface-defects"
    assert json.loads(payload)["production"] == "running"


def test_an_outbox_that_cannot_be_written_stops_the_device_with_the_error(tmp_path):
    with Outbox(tmp_path / "outbox.db") as outbox:
        line = Line(outbox, [DEFECT])
        outbox._db.execute("PRAGMA query_only = 1")
        with pytest.raises(sqlite3.OperationalError):
            line.run()
