"""The outbox on a real file: what survives, what is refused, what a resend looks like."""

import json
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import msgspec
import pytest

from hil.linedevice.outbox import DamagedError, Outbox, set_aside
from hil.linedevice.payloads import (
    PAYLOAD_MAX_BYTES,
    Item,
    Last,
    Stamp,
    Stream,
    TooLargeError,
    alert,
    data,
    encode,
)

ALERT, DATA = Stream.ALERT, Stream.DATA
STAMP = Stamp("2f1c7f3e", 1000, 1_700_000_000_000)


def result(n):
    return data(STAMP, "result", [{"n": n}])


def read(outbox, seq, stream=DATA):
    message = outbox.read(stream, seq)
    assert message is not None
    return message


def contents(outbox):
    items = [read(outbox, seq).draft.items for seq in outbox.held()[DATA]]
    return [msgspec.json.decode(item)[0]["n"] for item in items]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.db"


def test_numbers_go_on_where_they_stopped_even_when_everything_was_freed(path):
    with Outbox(path) as outbox:
        outbox.put([result(1), result(2)])
        outbox.free({DATA: 2})
        epoch = outbox.epoch
    with Outbox(path) as outbox:
        assert outbox.epoch == epoch
        outbox.put([result(3)])
        assert outbox.last() == Last(epoch, 0, 3)
        assert outbox.held()[DATA] == range(3, 4)


def test_an_epoch_is_53_random_bits_and_exact_as_a_double(path):
    with Outbox(path) as outbox:
        epochs = [outbox.renumber() for _ in range(64)]
    assert len(set(epochs)) == 64
    assert all(0 <= epoch < 2**53 and int(float(epoch)) == epoch for epoch in epochs)
    assert max(epochs) > 2**50


def test_a_new_epoch_renumbers_both_streams_from_1_in_order_with_their_content(path):
    with Outbox(path) as outbox:
        outbox.put([result(n) for n in range(1, 8)] + [alert(STAMP, {"n": 1})])
        outbox.free({DATA: 3})
        outbox.renumber()
        assert outbox.held() == {ALERT: range(1, 2), DATA: range(1, 5)}
        assert contents(outbox) == [4, 5, 6, 7]
    with Outbox(path) as outbox:
        outbox.put([result(8)])
        assert contents(outbox) == [4, 5, 6, 7, 8]
        assert read(outbox, 5).seq == 5


def test_a_resend_differs_in_its_base_only(path):
    with Outbox(path) as outbox:
        outbox.put([result(1), result(2)])
        first = json.loads(encode(read(outbox, 2)))
        outbox.free({DATA: 1})
        again = json.loads(encode(read(outbox, 2)))
    assert (first.pop("base"), again.pop("base")) == (1, 2)
    assert first == again


def test_a_message_with_a_picture_is_messagepack_with_raw_bytes(path):
    picture = bytes(range(256))
    item: Item = {"id": "a", "image": {"type": "image/png", "data": picture}}
    with Outbox(path) as outbox:
        outbox.put([alert(STAMP, item)])
        envelope = msgspec.msgpack.decode(encode(read(outbox, 1, ALERT)))
    assert envelope.pop("items") == [item]
    assert envelope == {
        "v": 1,
        "epoch": outbox.epoch,
        "seq": 1,
        "base": 1,
        "boot": "2f1c7f3e",
        "mono_ms": 1000,
        "time": 1_700_000_000_000,
    }


def test_a_message_that_no_packet_holds_is_refused_before_it_has_a_number():
    with pytest.raises(TooLargeError, match="room for"):
        alert(STAMP, {"image": bytes(PAYLOAD_MAX_BYTES)})


def test_bytes_are_bounded_too_and_the_bound_counts_what_is_left(path):
    big = replace(result(1), items=b'[{"n":1}]' + b" " * 10_000)
    with Outbox(path, max_bytes=35_000) as outbox:
        outbox.put([big] * 5)
        assert (outbox.dropped, outbox.held()[DATA]) == (2, range(3, 6))
    with Outbox(path, max_bytes=35_000) as outbox:
        outbox.put([big])
        assert (outbox.dropped, outbox.held()[DATA]) == (1, range(4, 7))


def test_thirty_drafts_in_one_call_are_one_transaction(path):
    with Outbox(path) as outbox:
        statements: list[str] = []
        outbox._db.set_trace_callback(statements.append)
        outbox.put([result(n) for n in range(30)])
    assert [s for s in statements if s.startswith(("BEGIN", "COMMIT"))] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]


def test_a_full_disk_stores_nothing_and_uses_no_number(path):
    with Outbox(path) as outbox:
        outbox.put([result(1)])
        pages = outbox._db.execute("PRAGMA page_count").fetchone()[0]
        outbox._db.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            outbox.put([replace(result(n), items=bytes(3000)) for n in range(20)])
        assert outbox.last().data == 1
        outbox._db.execute("PRAGMA max_page_count = 1000000")
        outbox.put([result(2)])
        assert contents(outbox) == [1, 2]


def test_a_second_device_on_the_same_folder_is_refused(path):
    with Outbox(path), pytest.raises(sqlite3.OperationalError, match="locked"):
        Outbox(path)


@pytest.mark.parametrize("damage", ["garbage", "middle"])
def test_a_damaged_file_is_named_so_and_can_be_set_aside(path, damage):
    with Outbox(path) as outbox:
        outbox.put([replace(result(n), items=bytes(3000)) for n in range(20)])
    raw = bytearray(path.read_bytes())
    if damage == "garbage":
        raw[:] = b"no database at all, " * 400
    else:
        raw[4096:12288] = b"\xa5" * 8192
    path.write_bytes(raw)
    with pytest.raises(DamagedError, match="no sound outbox"):
        Outbox(path)
    aside = set_aside(path)
    with Outbox(path) as outbox:
        assert len(outbox) == 0
    assert aside.read_bytes() == raw


def test_whichever_page_is_damaged_it_is_named_at_the_start_and_not_while_running(path):
    with Outbox(path) as outbox:
        for first in range(0, 900, 300):
            outbox.put([result(n) for n in range(first, first + 300)])
    sound = path.read_bytes()
    pages = len(sound) // 4096
    assert pages > 20
    for page in range(1, pages):
        path.write_bytes(sound[: page * 4096] + b"\xa5" * 4096 + sound[(page + 1) * 4096 :])
        with pytest.raises(DamagedError):
            Outbox(path)


def test_what_overflow_dropped_stays_dropped_after_a_renumbering(path):
    with Outbox(path, max_messages=3) as outbox:
        outbox.put([result(n) for n in range(1, 6)])
        outbox.renumber()
        assert outbox.held()[DATA] == range(1, 4)
        assert contents(outbox) == [3, 4, 5]


def test_freeing_beyond_what_is_held_keeps_the_counter(path):
    with Outbox(path) as outbox:
        outbox.put([result(1), result(2)])
        assert outbox.free({DATA: 99, ALERT: 99}) == 2
        assert outbox.free({DATA: 1}) == 0
        assert outbox.last() == Last(outbox.epoch, 0, 2)


PUTTER = """
import sys
from pathlib import Path
from hil.linedevice.outbox import Outbox
from hil.linedevice.payloads import Stamp, data
with Outbox(Path(sys.argv[1])) as outbox:
    for n in range(1_000_000):
        outbox.put([data(Stamp("b", 1, 1), "result", [{"n": n}])])
        print(outbox.last().data, flush=True)
"""


@pytest.mark.crash
@pytest.mark.timeout(300)
def test_a_kill_9_in_the_middle_of_putting_gives_no_number_twice_and_loses_no_message(path):
    told = 0
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", PUTTER, path], stdout=subprocess.PIPE, text=True
        ) as putter:
            assert putter.stdout is not None
            for _ in range(30):
                number = int(putter.stdout.readline())
                assert number > told
                told = number
            putter.send_signal(signal.SIGKILL)
            told = max([told, *map(int, putter.stdout.read().split())])
    with Outbox(path) as outbox:
        held = outbox.held()[DATA]
        assert held.start == 1
        assert told < held.stop <= told + 2
        assert len(contents(outbox)) == len(held)
