"""What reaches the flash, counted by day and never twice."""

import os
from pathlib import Path

from gateway.app.offline import STATE_MIGRATIONS
from gateway.health import store
from gateway.health.procfs import written_bytes
from gateway.health.wear import DAYS_KEPT, Meter, Wear
from gateway.model.gaps import DAY_MS
from gateway.model.time import SiteTime
from gateway.store.sqlite import open_offline

DAY = SiteTime(100 * DAY_MS)
GATEWAY, BROKER, NEXT_BROKER = 1, 2, 3


def test_what_processes_write_is_added_up_and_a_new_one_begins_at_nothing():
    meter = Meter()
    meter.read({GATEWAY: 1_000, BROKER: 10}, DAY)
    meter.read({GATEWAY: 1_500, NEXT_BROKER: 7}, DAY)
    meter.read({GATEWAY: None, BROKER: 2}, DAY)
    assert meter.wear(DAY) == Wear(1_000 + 10 + 500 + 7 + 2, None, 0)
    assert meter.total_bytes == 1_519


def test_a_meter_that_begins_later_counts_only_what_comes_after():
    meter = Meter()
    meter.begin({GATEWAY: 900, BROKER: None})
    meter.read({GATEWAY: 1_000, BROKER: 5}, DAY)
    assert meter.total_bytes == 105


def test_what_is_stored_is_not_counted_again_and_what_came_meanwhile_stays_owed():
    meter = Meter()
    meter.read({GATEWAY: 100}, DAY)
    owed = dict(meter.owed)
    meter.read({GATEWAY: 130}, DAY)
    meter.stored(owed)
    assert (meter.by_day, meter.owed) == ({100: 100}, {100: 30})
    assert meter.wear(DAY).today_bytes == 130


def test_an_average_day_is_one_of_the_days_before_today():
    meter = Meter({98: 10, 99: 30, 60: 1_000_000})
    meter.read({GATEWAY: 500}, DAY)
    assert meter.wear(DAY) == Wear(500, 20, 2)


def test_wear_survives_a_restart_and_is_bounded_by_days(tmp_path: Path):
    path = tmp_path / "state.db"
    with open_offline(path, STATE_MIGRATIONS) as db:
        for day in range(100):
            store.add_wear(db, {day: 5}, DAYS_KEPT)
        store.add_wear(db, {99: 2}, DAYS_KEPT)
    with open_offline(path, STATE_MIGRATIONS) as db:
        found = store.wear(db)
    assert found == dict.fromkeys(range(69, 99), 5) | {99: 7}
    assert len(found) == DAYS_KEPT


def test_the_kernel_s_count_of_a_process_is_read(tmp_path: Path):
    folder = tmp_path / "42"
    folder.mkdir()
    (folder / "io").write_text("rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 40960\n")
    assert written_bytes(42, tmp_path) == 40_960


def test_a_process_that_is_gone_or_a_kernel_that_does_not_count_is_no_error(tmp_path: Path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "io").write_text("rchar: 1\n")
    assert (written_bytes(42, tmp_path), written_bytes(7, tmp_path)) == (None, None)


def test_the_kernel_says_it_of_this_process_in_the_form_that_is_read():
    assert written_bytes(os.getpid()) is not None
