"""What has no room is not stored, not receipted and not lost: its device keeps it."""

import pytest

from gateway.model.message import Receipt
from gateway.model.outcome import Stream
from gateway.model.room import MESSAGE_BYTES, Room
from tests.support.desk import Desk, alert, data, status, undeclared

PLENTY = 1 << 30


def room(*, alerts: int = PLENTY, datas: int = PLENTY, pause: bool = False) -> Room:
    return Room(alerts, datas, pause=pause)


@pytest.fixture
async def full(desk: Desk) -> Desk:
    """A desk that has alerts and data up to 2, and no room for more of either."""
    await desk.take(alert(1), alert(2), data(1), data(2))
    desk.room = lambda: room(alerts=0, datas=0, pause=True)
    return desk


async def test_a_tight_queue_asks_every_device_to_hold_its_data_and_takes_what_comes(desk: Desk):
    desk.room = lambda: room(pause=True)
    result = await desk.take(data(1), alert(1))
    assert result.crowded
    assert result.receipts == [("cam-01", Receipt(7, 1, 1, pause=("data",)))]
    assert (result.stored, result.held.total()) == (2, 0)


async def test_data_without_room_gets_no_receipt_and_alerts_go_on(desk: Desk):
    desk.room = lambda: room(datas=0, pause=True)
    result = await desk.take(data(1), alert(1), data(2))
    assert result.receipts == [("cam-01", Receipt(7, 1, 0, pause=("data",)))]
    assert result.held == {Stream.DATA: 2}
    assert (desk.kept(), desk.kept(stream="alert")) == ([], [1])


async def test_what_was_held_back_is_taken_when_its_device_sends_it_again(full: Desk):
    await full.take(alert(3), data(3))
    full.room = room
    assert await full.receipt(alert(3), data(3)) == Receipt(7, 3, 3)
    assert (full.kept(), full.kept(stream="alert")) == ([1, 2, 3], [1, 2, 3])


async def test_below_the_alert_reserve_the_alert_mark_stands_still(full: Desk):
    result = await full.take(alert(3), alert(4))
    assert result.receipts == [("cam-01", Receipt(7, 2, 2, pause=("data",)))]
    assert result.held == {Stream.ALERT: 2}
    assert full.kept(stream="alert") == [1, 2]


async def test_a_gap_that_a_held_alert_declares_does_not_move_the_mark(full: Desk):
    result = await full.take(alert(9, base=9))
    assert (result.receipts[0][1].alert, result.lost) == (2, [])
    full.room = room
    assert (await full.take(alert(9, base=9))).lost == [("cam-01", 6)]


async def test_an_alert_stored_beyond_a_hole_moves_no_mark_either_while_there_is_no_room(
    desk: Desk,
):
    await desk.take(alert(1), alert(5))
    desk.room = lambda: room(alerts=0)
    assert (await desk.receipt(alert(5, base=5))).alert == 1


async def test_a_resend_needs_no_room(full: Desk):
    result = await full.take(alert(2), data(1))
    assert (result.duplicates, result.held.total()) == (2, 0)


async def test_a_message_that_its_contract_refuses_waits_for_room_like_any_other(full: Desk):
    result = await full.take(undeclared(3))
    assert (result.receipts[0][1].data, result.receipts[0][1].refused) == (2, ())
    assert full.dead() == []
    full.room = room
    assert (await full.receipt(undeclared(3))).data == 3
    assert full.dead() == [(3, "contract")]


async def test_a_status_is_answered_without_room_with_the_marks_that_stand(full: Desk):
    assert await full.receipt(status(7)) == Receipt(7, 2, 2, pause=("data",))


async def test_one_batch_cannot_take_more_than_the_room_that_there_was(desk: Desk):
    sent = [data(seq, "x" * 100) for seq in range(1, 21)]
    fits = 5 * (len(sent[0][1]) + MESSAGE_BYTES) + 100
    desk.room = lambda: room(datas=fits)
    result = await desk.take(*sent)
    assert (result.stored, result.held[Stream.DATA]) == (5, 15)
    assert result.receipts[0][1].data == 5
