"""Site time never goes back: not by the wall clock, not by a restart, not by a restore."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.app.clock import SystemClock
from gateway.model.time import SiteTime
from gateway.store import site_time
from gateway.store.migrations import Migration
from gateway.store.sqlite import open_offline

MIGRATIONS = (Migration(1, 1, site_time.SCHEMA),)
FAR_MS = SiteTime(4_000_000_000_000)  # the year 2096


def test_a_new_site_has_no_floor(tmp_path: Path):
    with open_offline(tmp_path / "a.db", MIGRATIONS) as db:
        assert site_time.floor(db) == 0


@pytest.mark.parametrize(
    ("times", "floor"), [([5], 5), ([5, 9], 9), ([9, 5], 9), ([9, 9, 1, 10], 10)]
)
def test_the_floor_only_rises(times: list[int], floor: int, tmp_path: Path):
    for one in times:
        with open_offline(tmp_path / "a.db", MIGRATIONS) as db:
            site_time.raise_floor(db, SiteTime(one))
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        assert db.execute("SELECT one, floor_ms FROM site_time").fetchall() == [(1, floor)]
        assert site_time.floor(db) == floor


def test_a_clock_that_starts_before_the_floor_starts_at_the_floor():
    clock = SystemClock(FAR_MS)
    first = clock.site()
    assert FAR_MS <= first < FAR_MS + 60_000
    assert clock.wall() < FAR_MS
    assert clock.site() >= first


def test_without_a_floor_site_time_is_the_wall_clocks():
    clock = SystemClock(SiteTime(0))
    assert abs(clock.site() - clock.wall()) < 60_000
