"""The shared vocabulary: one spelling of a device, words that leave the process, what is hidden."""

import msgspec
import pytest

from gateway.model.access import Access, Role, role
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId, device_id
from gateway.model.message import EPOCH_MAX, Key, Message, Receipt
from gateway.model.outcome import MessageClass, Outcome, Stream
from gateway.model.outgoing import AlertRow
from gateway.model.problem import Severity
from gateway.model.readings import MetricItem
from gateway.model.telemetry import Image, LogItem

LONGEST = "d" * 63
PRIVATE = "4711.25"


@pytest.mark.parametrize("text", ["a", "0", "cam-01", "a--b", "a-", LONGEST])
def test_a_device_id_is_letters_digits_and_dashes(text: str):
    assert device_id(text) == text


@pytest.mark.parametrize(
    "text", ["", "-a", "Cam", "cam_1", "cam 1", "cam/1", "cam+", "#", "a\n", "ä", LONGEST + "d"]
)
def test_what_could_be_a_topic_or_another_device_is_no_device_id(text: str):
    with pytest.raises(ValueError, match="is no device id: use 1 to 63 of a-z"):
        device_id(text)


def test_only_quarantine_and_revocation_change_the_role_of_a_device():
    assert {access: role(access) for access in Access} == {
        Access.ADMITTED: Role.FULL,
        Access.PROVISIONAL: Role.FULL,
        Access.QUARANTINED: Role.QUARANTINED,
        Access.REVOKED: Role.NONE,
    }


def test_words_that_leave_the_process_are_spelled_for_ever():
    assert [one.value for one in Access] == ["admitted", "provisional", "quarantined", "revoked"]
    assert [one.value for one in MessageClass] == ["alert", "error-log", "result", "metric", "log"]
    assert [one.value for one in Stream] == ["alert", "data"]
    assert [one.value for one in Severity] == ["critical", "warning", "notice"]
    assert [one.value for one in Outcome] == [
        *("queued", "sealed", "delivered", "aggregated", "expired", "shed", "dead-lettered"),
        *("parked", "refused-untrusted", "lost"),
    ]


def test_a_number_of_an_epoch_is_exact_in_every_json_reader():
    assert int(float(EPOCH_MAX)) == EPOCH_MAX
    assert float(EPOCH_MAX + 1) == float(EPOCH_MAX + 2)


def test_what_a_log_line_could_leak_does_not_stand_in_a_repr():
    key = Key(DeviceId("cam-01"), 7, Stream.DATA, 3)
    metric = MetricItem(5, "power", float(PRIVATE))
    texts = [
        repr(metric),
        repr(LogItem(5, "info", "started", PRIVATE)),
        repr(Image("image/png", PRIVATE.encode())),
        repr(AlertRow(1, "defect", "major", "scratch", 900, (), PRIVATE.encode())),
        repr(Delivery("line/cam-01/up/data", PRIVATE.encode(), False, "", (1, 1))),  # noqa: FBT003
        repr(Message(key, MessageClass.METRIC, "boot", 5, "c" * 64, (metric,))),
    ]
    assert [text for text in texts if PRIVATE in text] == []


def test_a_receipt_that_only_has_marks_is_short():
    assert msgspec.json.encode(Receipt(7, 1, 2)) == b'{"epoch":7,"alert":1,"data":2}'
    full = Receipt(7, 0, 0, pause=("data",), refused=(("data", 3, "conflict"),))
    assert msgspec.json.encode(full) == (
        b'{"epoch":7,"alert":0,"data":0,"pause":["data"],"refused":[["data",3,"conflict"]]}'
    )
