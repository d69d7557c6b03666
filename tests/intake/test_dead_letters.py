"""What does not fit its contract is refused by name, kept within bounds, and blocks nobody."""

import json

from gateway.intake.deadletters import Bounds, dead_letter_place
from gateway.intake.wire import Reason
from gateway.model.cipher import NONCE_BYTES, TAG_BYTES
from gateway.model.message import REFUSALS_A_RECEIPT_MAX, Receipt
from tests.support.desk import Desk, alert, arrival, data, envelope, undeclared
from tests.support.spooled import CIPHER


async def test_a_dead_letter_keeps_its_place_so_that_the_mark_can_pass(desk: Desk):
    result = await desk.take(data(1), undeclared(2), data(3))
    assert result.receipts == [("cam-01", Receipt(7, 0, 3, refused=(("data", 2, "contract"),)))]
    assert result.refused == [("cam-01", Reason.CONTRACT)]
    assert (result.stored, desk.kept()) == (2, [1, 3])
    assert desk.dead() == [(2, "contract")]
    assert desk.rows("SELECT first_seq, outcome FROM ended") == [(2, "dead-lettered")]


async def test_a_dead_letter_that_is_sent_again_is_a_duplicate(desk: Desk):
    await desk.take(undeclared(1))
    assert await desk.receipt(undeclared(1, base=1)) == Receipt(7, 0, 1)
    assert desk.dead() == [(1, "contract")]
    assert desk.rows("SELECT count(*) FROM ended") == [(1,)]


async def test_a_corrected_message_under_the_number_of_a_dead_letter_is_a_conflict(desk: Desk):
    await desk.take(undeclared(1))
    receipt = await desk.receipt(data(1))
    assert receipt.refused == (("data", 1, "conflict"),)
    assert desk.kept() == []


async def test_an_unreadable_body_with_a_readable_key_keeps_its_place(desk: Desk):
    broken = arrival(json.dumps(envelope(1) | {"v": 9, "items": "?"}).encode(), "data")
    assert await desk.receipt(broken, data(2)) == Receipt(
        7, 0, 2, refused=(("data", 1, "malformed"),)
    )
    assert await desk.receipt(broken) == Receipt(7, 0, 2)
    assert desk.dead() == [(1, "malformed")]


async def test_a_base_above_its_seq_declares_no_gap(desk: Desk):
    """Only the base is wrong: the messages before it are still at the device."""
    await desk.take(data(1))
    receipt = await desk.receipt(data(5, base=9))
    assert receipt == Receipt(7, 0, 1, refused=(("data", 5, "malformed"),))
    assert await desk.receipt(data(2), data(3), data(4)) == Receipt(7, 0, 5)
    assert desk.kept() == [1, 2, 3, 4]


async def test_bytes_without_a_key_are_counted_and_answered_by_nobody(desk: Desk):
    result = await desk.take(arrival(b"\xff\x00 no json", "data"))
    assert (result.receipts, result.refused) == ([], [("cam-01", Reason.MALFORMED)])
    ((seq, key_id, received_ms, sealed),) = desk.rows(
        "SELECT seq, key_id, received_ms, payload FROM dead_letter"
    )
    place = dead_letter_place("cam-01", None, None, None, received_ms)
    assert (seq, CIPHER.open(key_id, sealed, place)) == (None, b"\xff\x00 no json")


async def test_a_receipt_names_at_most_fifty_refusals_and_the_mark_passes_them_all(desk: Desk):
    receipt = await desk.receipt(*[undeclared(seq) for seq in range(1, 61)])
    assert receipt.data == 60
    assert len(receipt.refused) == REFUSALS_A_RECEIPT_MAX == 50
    assert receipt.refused[-1] == ("data", 50, "contract")
    assert len(desk.dead()) == 60


async def test_the_oldest_dead_letters_go_first_and_payloads_are_cut(tmp_path):
    bounds = Bounds(dead_letters_max=10, payload_bytes=16)
    async with Desk(tmp_path / "spool.db", bounds) as desk:
        for first in (1, 11):
            await desk.take(*[undeclared(seq) for seq in range(first, first + 10)])
        assert [seq for seq, _ in desk.dead()] == list(range(11, 21))
        assert {len(one) for (one,) in desk.rows("SELECT payload FROM dead_letter")} == {
            16 + NONCE_BYTES + TAG_BYTES
        }
        ended = desk.rows("SELECT sum(last_seq - first_seq + 1) FROM ended")
        assert ended == [(20,)]  # the trace still tells of each


async def test_dead_letters_of_both_streams_are_in_the_trace_of_theirs(desk: Desk):
    bad_alert = arrival(json.dumps(envelope(1) | {"items": []}).encode(), "alert")
    await desk.take(bad_alert, undeclared(1), alert(2))
    traced = desk.rows("SELECT stream, class, first_seq, outcome FROM ended ORDER BY id")
    assert traced == [("alert", "alert", 1, "dead-lettered"), ("data", "data", 1, "dead-lettered")]
    assert desk.rows("SELECT class, outcome, messages FROM tally ORDER BY class") == [
        ("alert", "dead-lettered", 1),
        ("data", "dead-lettered", 1),
    ]
