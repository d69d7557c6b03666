"""What the device does when its storage, its gateway or the network between them misbehaves."""

import itertools
import shutil

import pytest

from hil.linedevice.payloads import Access, Stream, UnreadableError, read_access, read_receipt
from hil.linedevice.protocol import NewEpoch, Sender, Settled
from tests.support.line_rig import HALF, WINDOW, Rig

ALERT, DATA = Stream.ALERT, Stream.DATA


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.outbox.close()


def online(rig):
    """Connect and let the status be answered."""
    rig.connect()
    rig.move()
    return rig


def test_nothing_but_the_status_goes_before_a_receipt_answers_it(rig):
    rig.put(ALERT)
    rig.connect()
    rig.publish()
    assert [message[0] for message in rig.up] == ["status"]
    rig.move()
    rig.move()
    assert rig.stored() == {1}


def test_an_unanswered_status_is_sent_again_with_doubling_waits_up_to_30_s(rig):
    rig.connect()
    times = []
    for _ in range(600):
        before = rig.statuses
        rig.publish()
        if rig.statuses > before:
            times.append(rig.now)
        rig.tick(0.25)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits == [0.75, 1.5, 3.0, 6.0, 12.0, 22.5, 22.5, 22.5, 22.5, 22.5]


def test_a_reflash_without_a_clock_starts_a_new_epoch_and_its_numbers_collide_with_nothing(rig):
    online(rig).put(DATA, 3)
    rig.settle()
    first = rig.outbox.epoch
    rig.outbox.close()
    rig.path.unlink()
    rig.power_cut()
    names = online(rig).put(DATA, 3)
    rig.settle()
    assert rig.outbox.epoch != first
    assert not rig.epochs, "no receipt had to ask for it"
    assert [rig.gateway.epochs[rig.outbox.epoch].stored["data", seq] for seq in (1, 2, 3)] == names


def test_an_overflowing_outbox_declares_the_gap_and_the_mark_passes_it(tmp_path):
    rig = Rig(tmp_path, max_messages=10)
    online(rig)
    alerts = rig.put(ALERT, 4)
    rig.put(DATA, 20)
    assert rig.outbox.dropped == 14
    rig.settle()
    epoch = rig.gateway.epochs[rig.outbox.epoch]
    assert epoch.gaps == {("data", seq) for seq in range(1, 15)}
    assert epoch.marks == {"alert": 5, "data": 21}
    assert set(alerts) <= rig.stored()
    rig.outbox.close()


def test_an_outbox_full_of_alerts_drops_the_data_and_at_last_the_oldest_alert(tmp_path):
    rig = Rig(tmp_path, max_messages=3)
    rig.put(ALERT, 3)
    rig.put(DATA)
    assert rig.waiting() == {ALERT: [1, 2, 3], DATA: []}
    rig.put(ALERT)
    assert rig.waiting() == {ALERT: [2, 3, 5], DATA: []}
    rig.outbox.close()


def test_a_restored_device_hears_of_a_mark_above_its_own_and_renumbers_everything(rig, tmp_path):
    kept = online(rig).put(DATA, 2)
    rig.back_up(tmp_path / "copy")
    rig.put(DATA, 5)
    rig.run()
    rig.roll_back(tmp_path / "copy")
    online(rig)
    assert rig.epochs == ["the gateway has data 7, but the last here is 2"]
    rig.settle()
    stored = rig.gateway.epochs[rig.outbox.epoch].stored
    assert [stored["data", seq] for seq in (1, 2)] == kept


def test_a_rolled_back_storage_that_overtook_the_mark_loses_nothing(rig, tmp_path):
    online(rig).put(DATA, 2)
    rig.back_up(tmp_path / "copy")
    rig.put(DATA, 5)
    rig.run()  # the gateway has 1 to 7
    rig.roll_back(tmp_path / "copy")
    other = rig.put(DATA, 9)  # under the numbers 3 to 11: the mark is not above them
    online(rig)
    assert not rig.epochs
    rig.settle()
    assert rig.epochs == ["the gateway holds other content under data 3"]
    assert set(other) <= rig.stored()


def test_an_alert_receipt_does_not_free_data_that_the_gateway_has_not_compared(rig, tmp_path):
    rig.put(ALERT)
    rig.back_up(tmp_path / "copy")
    rig.put(DATA)
    online(rig)
    rig.move()
    rig.roll_back(tmp_path / "copy")
    (other,) = rig.put(DATA)
    online(rig)
    rig.publish()
    rig.gateway_reads()  # the alert, which it knows; the receipt carries the mark of data too
    rig.device_hears()
    assert rig.waiting()[DATA] == [other]


def test_a_late_receipt_of_the_process_before_frees_nothing_that_this_one_has_not_sent(rig):
    online(rig).put(DATA, 3)
    rig.power_cut()
    rig.connect()
    held, epoch = rig.outbox.held(), rig.outbox.epoch
    for mark in (1, 2, 3):
        receipt = read_receipt(b'{"epoch":%d,"alert":0,"data":%d}' % (epoch, mark))
        assert rig.sender.receipt(receipt, rig.now, held, epoch).free.get(DATA, 0) == 0


def test_the_same_key_with_other_content_ends_the_epoch_without_applying_the_marks(rig):
    online(rig).put(DATA, 3)
    epoch = rig.outbox.epoch
    rig.publish()
    receipt = b'{"epoch":%d,"alert":0,"data":3,"refused":[["data",2,"conflict"]]}' % epoch
    verdict = rig.sender.receipt(read_receipt(receipt), rig.now, rig.outbox.held(), epoch)
    assert verdict == NewEpoch("the gateway holds other content under data 2")
    rig.outbox.renumber()
    rig.up.clear()
    rig.publish()
    assert [message[0] for message in rig.up] == ["status"], "and it asks before it sends"
    assert rig.waiting()[DATA] == [1, 2, 3]


def test_a_conflict_on_a_status_alone_ends_the_epoch_too(rig):
    online(rig).put(DATA, 2)
    first = rig.outbox.epoch
    rig.gateway.message(first, "data", 1, 1, "somebody else's")
    rig.settle()
    assert rig.outbox.epoch != first
    assert {1, 2} <= rig.stored()


def test_a_lost_receipt_is_repaired_by_the_next_one(rig):
    online(rig).put(DATA, 2)
    rig.publish()
    rig.gateway_reads()
    rig.gateway_reads()
    rig.down.popleft()
    rig.device_hears()
    assert len(rig.outbox) == 0


def test_the_last_receipt_lost_is_repaired_by_a_resend(rig):
    online(rig).put(DATA)
    rig.publish()
    rig.gateway_reads()
    rig.down.clear()
    rig.tick(0.7)
    rig.publish()
    assert not rig.up
    rig.tick(0.1)
    rig.publish()
    assert len(rig.up) == 1
    rig.move()
    assert len(rig.outbox) == 0


def test_a_mark_covers_no_hole(rig):
    online(rig).put(DATA, 3)
    rig.publish()
    del rig.up[0]  # the broker drops the first
    rig.move()
    assert rig.waiting()[DATA] == [1, 2, 3]
    rig.tick(1)
    rig.move()
    assert len(rig.outbox) == 0


def test_alerts_pass_a_backlog_of_data_and_a_fifth_of_the_window_is_theirs(rig):
    rig.put(DATA, 20)
    online(rig)
    rig.publish()
    assert [message[1] for message in rig.up] == ["data"] * (WINDOW - 1)
    rig.put(ALERT, 2)
    rig.publish()
    assert [message[1] for message in rig.up] == ["data"] * (WINDOW - 1) + ["alert"]


def test_a_window_of_one_still_lets_data_through(rig):
    rig.sender.access(Access("admitted", 1))
    online(rig).put(DATA, 2)
    rig.publish()
    assert len(rig.up) == 1
    rig.run()
    assert len(rig.outbox) == 0


def test_pause_stops_data_but_no_alert_and_ends_with_a_receipt_without_it(rig):
    rig.gateway.paused = True
    online(rig)
    rig.put(DATA)
    rig.put(ALERT)
    rig.move()
    assert rig.waiting() == {ALERT: [], DATA: [1]}
    rig.gateway.paused = False
    rig.put(ALERT)
    rig.move()
    rig.move()
    assert len(rig.outbox) == 0


def test_a_paused_device_asks_again_because_the_end_of_the_pause_may_be_lost(rig):
    rig.gateway.paused = True
    online(rig).put(DATA)
    rig.gateway.paused = False
    rig.tick(29)
    rig.move()
    assert rig.waiting()[DATA] == [1]
    rig.tick(1)
    rig.move()
    rig.move()
    assert len(rig.outbox) == 0


@pytest.mark.parametrize("code", [0x10, 0x87, 0x97])
def test_a_refusing_puback_makes_it_silent_and_then_ask_with_a_status_alone(rig, code):
    online(rig).put(DATA, 3)
    rig.publish()
    silent = []
    for _ in range(7):
        for _ in range(3):  # a burst counts once
            rig.sender.acknowledged(code, rig.now, HALF)
        plan = rig.sender.plan(rig.now, rig.outbox.held(), HALF)
        assert (plan.status, plan.messages) == (False, ())
        silent.append(plan.wake_at - rig.now)
        rig.tick(silent[-1])
        plan = rig.sender.plan(rig.now, rig.outbox.held(), HALF)
        assert (plan.status, plan.messages) == (True, ())
    assert silent == pytest.approx([0.75, 1.5, 3, 6, 12, 22.5, 22.5])


def test_a_receipt_makes_the_next_silence_a_short_one_again(rig):
    online(rig).put(DATA)
    for _ in range(5):
        rig.tick(40)
        rig.sender.acknowledged(0x10, rig.now, HALF)
    rig.tick(40)
    rig.move()
    rig.sender.acknowledged(0x10, rig.now, HALF)
    plan = rig.sender.plan(rig.now, rig.outbox.held(), HALF)
    assert plan.wake_at - rig.now == pytest.approx(0.75)


def test_the_gateway_coming_back_ends_a_long_silence_within_a_second(rig):
    online(rig)
    for _ in range(6):
        rig.tick(40)
        rig.sender.acknowledged(0x10, rig.now, HALF)
    rig.sender.heard(rig.now, HALF)
    assert rig.sender.plan(rig.now, rig.outbox.held(), HALF).wake_at == rig.now + HALF


def test_a_reconnect_sends_everything_without_receipt_again_at_once(rig):
    online(rig).put(DATA, 3)
    rig.publish()
    rig.up.clear()
    rig.lose_connection()
    online(rig)
    rig.publish()
    assert [message[2] for message in rig.up] == [1, 2, 3]


def test_a_refused_message_is_told_once_and_freed_by_the_mark(rig):
    rig.gateway.reasons[1] = "contract"
    online(rig).put(DATA)
    rig.publish()
    rig.gateway_reads()
    rig.down.append(rig.down[0])
    rig.device_hears()
    rig.device_hears()
    assert rig.refusals == [(DATA, 1, "contract")]
    assert len(rig.outbox) == 0


def test_a_refused_message_before_a_hole_is_not_sent_again_and_again(rig):
    rig.gateway.reasons[2] = "contract"
    online(rig).put(DATA, 2)
    rig.publish()
    del rig.up[0]
    rig.move()
    assert rig.waiting()[DATA] == [1, 2], "the mark has not passed it yet"
    rig.tick(5)
    rig.publish()
    assert [message[2] for message in rig.up] == [1]
    rig.move()
    assert len(rig.outbox) == 0


def test_a_receipt_of_an_epoch_that_is_over_means_nothing(rig):
    online(rig).put(DATA)
    rig.publish()
    receipt = read_receipt(b'{"epoch":1,"alert":9,"data":9,"refused":[["data",1,"conflict"]]}')
    verdict = rig.sender.receipt(receipt, rig.now, rig.outbox.held(), rig.outbox.epoch)
    assert verdict == Settled({}, ())


@pytest.mark.parametrize("state", ["quarantined", "revoked", "something-new"])
def test_a_device_that_is_not_admitted_sends_its_status_only(rig, state):
    rig.sender.access(Access(state, WINDOW))
    online(rig).put(ALERT)
    rig.publish()
    assert not rig.up
    rig.sender.access(Access("provisional", WINDOW))
    rig.publish()
    assert len(rig.up) == 1


def test_a_changed_status_goes_at_once_and_is_not_repeated(rig):
    online(rig)
    before = rig.statuses
    rig.sender.status_changed(rig.now)
    rig.move()
    rig.run()
    assert rig.statuses == before + 1


def test_a_later_gateway_may_add_keys_to_what_it_says():
    assert (
        read_access(b'{"state":"admitted","reasons":[],"until":null,"window":7,"new":1}').window
        == 7
    )
    assert read_receipt(b'{"epoch":1,"alert":2,"data":3,"new":{}}').data == 3


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\xff", b"[]", b'{"epoch":"1","alert":0,"data":0}', b'{"epoch":1}']
)
def test_an_unreadable_receipt_is_named_so_and_harms_nothing(payload):
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_receipt(payload)


def test_without_a_connection_nothing_is_due():
    plan = Sender().plan(0, {ALERT: range(1, 2), DATA: range(1, 2)}, HALF)
    assert (plan.status, plan.messages) == (False, ())


def test_a_copy_of_the_storage_on_a_second_board_is_a_conflict_not_a_loss(rig, tmp_path):
    online(rig).put(DATA)
    rig.settle()
    rig.outbox.close()
    shutil.copy(rig.path, tmp_path / "clone.db")
    rig.power_cut()
    mine = online(rig).put(DATA)
    rig.settle()
    rig.roll_back(tmp_path / "clone.db")  # the other board takes over the same identity
    theirs = rig.put(DATA, 2)
    online(rig)
    rig.settle()
    assert set(mine) | set(theirs) <= rig.stored()
