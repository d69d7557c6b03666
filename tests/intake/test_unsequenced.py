"""Messages that the gateway numbers itself: one number each, in order, and no receipt."""

from gateway.intake.deadletters import Bounds
from gateway.intake.mapped import read_mapped
from gateway.intake.wire import Unsequenced
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId
from gateway.model.outcome import Stream
from gateway.model.room import Room, boundless
from gateway.model.topicmap import LogMap, TopicRule
from tests.support.desk import CONTRACT, Desk, Sent, data, status, undeclared

RULE = TopicRule("plc/{id}/log", "text", log=LogMap("info", "plc", "$"))


def mapped(text: str, device: str = "plc-01") -> Sent:
    payload = text.encode()
    delivery = Delivery(RULE.of(device), payload, retained=False, content_type="", token=(1, 1))
    found = read_mapped(delivery, DeviceId(device), RULE, CONTRACT, 5)
    assert isinstance(found, Unsequenced)
    return found, payload


def keys(desk: Desk) -> list[tuple[str, int, str, int]]:
    return desk.rows("SELECT device, epoch, stream, seq FROM message ORDER BY id")


async def test_each_message_gets_the_next_number_of_epoch_0_and_nobody_a_receipt(desk: Desk):
    result = await desk.take(mapped("a"), mapped("a"), mapped("b", "plc-02"))
    assert (result.receipts, result.stored) == ([], 3)
    await desk.restart()
    await desk.take(mapped("c"))
    assert keys(desk) == [
        ("plc-01", 0, "data", 1),
        ("plc-01", 0, "data", 2),
        ("plc-02", 0, "data", 1),
        ("plc-01", 0, "data", 3),
    ]


async def test_numbers_of_the_gateway_and_of_a_device_do_not_meet(desk: Desk):
    """A device may speak the protocol and have a map: its firmware is being replaced."""
    result = await desk.take(mapped("a", "cam-01"), data(1))
    assert [receipt.epoch for _, receipt in result.receipts] == [7]
    assert keys(desk) == [("cam-01", 7, "data", 1), ("cam-01", 0, "data", 1)]


async def test_epoch_0_is_never_closed_by_a_device_that_draws_many(desk: Desk):
    await desk.take(mapped("a", "cam-01"))
    for epoch in range(1, 100):
        await desk.take(data(1, epoch=epoch))
    await desk.take(mapped("b", "cam-01"))
    assert desk.kept(epoch=0) == [1, 2]


async def test_a_status_cannot_ask_for_the_marks_of_epoch_0(desk: Desk):
    await desk.take(mapped("a", "cam-01"))
    assert (await desk.take(status(7))).receipts[0][1].data == 0


async def test_a_gap_report_counts_what_has_no_number_of_its_own(desk: Desk):
    await desk.take(mapped("a"), mapped("b"))
    assert desk.rows("SELECT device, received FROM device_day") == [("plc-01", 2)]


async def test_one_device_that_sends_rubbish_keeps_the_dead_letters_of_others(desk: Desk):
    desk.bounds = Bounds(dead_letters_max=100, payload_bytes=9, a_device_max=10)
    await desk.take(undeclared(1, device="good-01"))
    for seq in range(1, 41):
        await desk.take(undeclared(seq, device="noisy-01"))
    assert desk.rows("SELECT device, count(*), max(seq) FROM dead_letter GROUP BY device") == [
        ("good-01", 1, 1),
        ("noisy-01", 10, 40),
    ]


async def test_dead_letters_of_all_devices_stay_within_their_bound(desk: Desk):
    desk.bounds = Bounds(dead_letters_max=12, payload_bytes=9, a_device_max=10)
    for seq in range(1, 21):
        await desk.take(*[undeclared(seq, device=f"d-{one}") for one in range(3)])
    assert desk.rows("SELECT count(*), min(seq) FROM dead_letter") == [(12, 17)]


async def test_what_does_not_fit_on_a_full_disk_is_gone_and_counted_by_device(desk: Desk):
    """There is no receipt to withhold: the device has forgotten it already."""
    desk.room = lambda: Room(alert_bytes=0, data_bytes=0, pause=True)
    result = await desk.take(mapped("a"), mapped("b"))
    assert result.held == {Stream.DATA: 2}
    assert keys(desk) == []
    assert desk.rows("SELECT * FROM dropped") == [("plc-01", "log", "turned-away:no-room", 2)]
    desk.room = boundless
    await desk.take(mapped("c"))
    assert keys(desk) == [("plc-01", 0, "data", 1)]
