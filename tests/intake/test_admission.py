"""What devices go through, as stories on a real file: marks, gaps, resends, conflicts."""

from dataclasses import replace

from gateway.intake.wire import Reason
from gateway.model.message import Receipt
from tests.support.desk import Desk, alert, data, status, undeclared

CONFLICT_OF_DATA = (("data", 1, "conflict"),)


async def test_a_batch_is_receipted_by_its_marks_and_kept_once(desk: Desk):
    result = await desk.take(alert(1), data(1), data(2))
    assert result.receipts == [("cam-01", Receipt(7, alert=1, data=2))]
    assert (result.stored, result.alerts, result.duplicates) == (3, 1, 0)
    assert (desk.kept(stream="alert"), desk.kept()) == ([1], [1, 2])


async def test_a_receipt_does_not_speak_of_what_lies_beyond_a_hole(desk: Desk):
    assert await desk.receipt(data(1), data(3), data(4)) == Receipt(7, 0, 1)
    assert desk.kept() == [1, 3, 4]
    assert await desk.receipt(data(2)) == Receipt(7, 0, 4)
    assert desk.kept() == [1, 2, 3, 4]


async def test_what_was_stored_beyond_a_hole_is_still_known_after_a_restart(desk: Desk):
    await desk.take(data(1), data(3))
    await desk.restart()
    result = await desk.take(data(3), data(2))
    assert result.receipts == [("cam-01", Receipt(7, 0, 3))]
    assert (result.stored, result.duplicates) == (1, 1)
    assert desk.kept() == [1, 2, 3]


async def test_a_resend_with_another_base_is_the_same_message(desk: Desk):
    await desk.take(data(1), data(2), data(3))
    result = await desk.take(data(3, base=3), data(2, base=2))
    assert (result.stored, result.duplicates, result.conflicts) == (0, 2, [])
    assert desk.kept() == [1, 2, 3]


async def test_streams_and_devices_and_epochs_count_for_themselves(desk: Desk):
    result = await desk.take(alert(1), data(1, epoch=8), data(1), data(1, device="cam-02"))
    assert result.receipts == [
        ("cam-01", Receipt(7, 1, 1)),
        ("cam-01", Receipt(8, 0, 1)),
        ("cam-02", Receipt(7, 0, 1)),
    ]
    assert result.stored == 4


async def test_a_re_flash_without_a_clock_starts_anew_and_loses_nothing(desk: Desk):
    """Its counters are gone and it has no time: it draws an epoch and begins at 1."""
    await desk.take(data(1, "before"), data(2, "before"))
    assert await desk.receipt(status(epoch=991)) == Receipt(991, 0, 0)
    assert await desk.receipt(data(1, "after", epoch=991)) == Receipt(991, 0, 1)
    assert (desk.kept(7), desk.kept(991)) == ([1, 2], [1])


async def test_an_overflowing_outbox_declares_its_gap_and_goes_on(desk: Desk):
    await desk.take(data(1), data(2))
    assert await desk.receipt(data(60, base=51)) == Receipt(7, 0, 50)
    assert desk.rows("SELECT lost FROM origin") == [(48,)]
    rest = [data(seq, base=51) for seq in range(51, 60)]
    assert await desk.receipt(*rest) == Receipt(7, 0, 60)
    assert desk.kept() == [1, 2, *range(51, 61)]


async def test_a_message_that_comes_late_into_a_declared_gap_is_kept_once(desk: Desk):
    await desk.take(data(1), data(10, base=10))
    assert await desk.receipt(data(4)) == Receipt(7, 0, 10)
    await desk.restart()
    assert (await desk.take(data(4))).duplicates == 1
    assert desk.kept() == [1, 4, 10]
    assert desk.rows("SELECT lost FROM origin") == [(7,)]


async def test_a_restored_device_hears_a_mark_above_its_own_numbers(desk: Desk):
    """Its storage went back from 5 to 2: the receipt tells, and no mark moves back."""
    await desk.take(*[data(seq) for seq in range(1, 6)])
    assert await desk.receipt(status(7, datas=2)) == Receipt(7, 0, 5)
    assert await desk.receipt(data(2, base=2)) == Receipt(7, 0, 5)
    assert desk.kept() == [1, 2, 3, 4, 5]


async def test_the_same_key_with_other_content_frees_nothing_and_says_conflict(desk: Desk):
    await desk.take(data(1, "one"), data(2, "two"))
    result = await desk.take(data(2, "other"))
    assert result.receipts == [("cam-01", Receipt(7, 0, 0, refused=(("data", 2, "conflict"),)))]
    assert [(key.epoch, key.seq) for key in result.conflicts] == [(7, 2)]
    assert desk.kept() == [1, 2]


async def test_a_device_whose_rolled_back_storage_overtook_the_mark_loses_nothing(desk: Desk):
    """Rolled back from 4 to 2, it made other messages 3 to 6 before it heard of the mark."""
    await desk.take(*[data(seq, "first life") for seq in range(1, 5)])
    second = [data(seq, "second life", base=3) for seq in range(3, 7)]
    result = await desk.take(*second)
    refused = tuple(("data", seq, "conflict") for seq in range(3, 7))
    assert result.receipts == [("cam-01", Receipt(7, 0, 0, refused=refused))]
    assert desk.kept() == [1, 2, 3, 4]
    again = [data(seq, "second life", epoch=12) for seq in range(1, 5)]
    assert await desk.receipt(*again) == Receipt(12, 0, 4)
    assert desk.kept(12) == [1, 2, 3, 4]


async def test_what_a_batch_brought_before_its_conflict_is_kept_but_not_receipted(desk: Desk):
    """The device sends it again under its new epoch: at least once outside, never lost."""
    await desk.take(data(1, "one"))
    receipt = await desk.receipt(data(2, "two"), data(1, "other"), data(3, "three"))
    assert (receipt.alert, receipt.data) == (0, 0)
    assert desk.kept() == [1, 2]


async def test_a_conflicted_epoch_never_frees_anything_again(desk: Desk):
    await desk.take(alert(1), data(1, "one"))
    await desk.take(data(1, "other"))
    assert await desk.receipt(alert(2)) == Receipt(7, 0, 0, refused=(("alert", 2, "conflict"),))
    await desk.restart()
    assert await desk.receipt(data(1, "one")) == Receipt(7, 0, 0, refused=CONFLICT_OF_DATA)
    assert await desk.receipt(status(7, 2, 1)) == Receipt(7, 0, 0, refused=CONFLICT_OF_DATA)
    assert (desk.kept(stream="alert"), desk.kept()) == ([1], [1])


async def test_a_conflict_is_told_although_fifty_refusals_come_before_it(desk: Desk):
    await desk.take(data(60, "one", base=60))
    broken = [undeclared(seq, base=60) for seq in range(61, 121)]
    receipt = await desk.receipt(*broken, data(60, "other"))
    assert receipt == Receipt(7, 0, 0, refused=(("data", 60, "conflict"),))


async def test_only_a_fresh_status_of_an_online_device_is_answered(desk: Desk):
    await desk.take(data(1))
    assert (await desk.take(status(7, retained=True))).receipts == []
    assert (await desk.take(status(7, state="offline"))).receipts == []
    assert await desk.receipt(status(7)) == Receipt(7, 0, 1)


async def test_a_status_that_comes_again_is_answered_then(desk: Desk):
    await desk.take(data(1))
    first, payload = status(7)
    assert (await desk.take((replace(first, answer=False), payload))).receipts == []
    assert await desk.receipt(status(7)) == Receipt(7, 0, 1)


async def test_a_status_in_the_batch_that_opens_its_epoch_makes_no_second_receipt(desk: Desk):
    assert await desk.receipt(status(7), data(1)) == Receipt(7, 0, 1)


async def test_asking_for_an_unknown_epoch_opens_none(desk: Desk):
    assert await desk.receipt(status(99)) == Receipt(99, 0, 0)
    assert desk.rows("SELECT count(*) FROM origin") == [(0,)]


async def test_a_message_far_beyond_the_mark_is_refused_and_still_welcome_later(desk: Desk):
    far = data(10_001)
    result = await desk.take(data(1, device="cam-02"), far)
    assert result.refused == [("cam-01", Reason.BEYOND_WINDOW)]
    assert result.receipts[1][1].refused == (("data", 10_001, "beyond-window"),)
    assert desk.kept() == [1]
    await desk.take(data(1))
    await desk.take(far)
    assert desk.kept() == [1, 1, 10_001]


async def test_digests_are_kept_for_ten_thousand_numbers_and_then_forgotten(desk: Desk):
    await desk.take(data(1), data(2))
    await desk.take(data(10_001, base=10_001))
    assert desk.rows("SELECT seq FROM seen ORDER BY seq") == [(2,), (10_001,)]
    assert (await desk.take(data(2))).duplicates == 1
    receipt = await desk.receipt(data(1))  # nobody can tell any more whether it is the same
    assert receipt.refused == (("data", 1, "conflict"),)
    assert desk.kept() == [1, 2, 10_001]


async def test_a_gap_that_a_device_declares_is_told_once(desk: Desk):
    await desk.take(data(1))
    result = await desk.take(data(60, base=51))
    assert result.lost == [("cam-01", 49)]
    assert (await desk.take(data(61, base=51))).lost == []
