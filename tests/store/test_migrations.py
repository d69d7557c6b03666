"""An older file is brought up, a newer one is served as far as it allows, or refused by name."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.app.offline import SPOOL_MIGRATIONS, STATE_MIGRATIONS
from gateway.store.migrations import Migration, TooNew, plan
from gateway.store.sqlite import StoreError, open_offline

FIRST = Migration(1, 1, ("CREATE TABLE a (id INTEGER)", "CREATE TABLE b (id INTEGER)"))
SECOND = Migration(2, 1, ("CREATE TABLE c (id INTEGER)",))  # the first program can live with it
THIRD = Migration(3, 3, ("DROP TABLE a",))  # only the third can
ALL = (FIRST, SECOND, THIRD)


@pytest.mark.parametrize(
    ("found", "min_reader", "known", "expected"),
    [
        (0, 0, ALL, ALL),
        (1, 1, ALL, (SECOND, THIRD)),
        (2, 1, ALL, (THIRD,)),
        (3, 3, ALL, ()),
        (2, 1, (FIRST,), ()),
        (3, 3, (FIRST,), TooNew(3, 3, 1)),
        (3, 3, (FIRST, SECOND), TooNew(3, 3, 2)),
        (9, 2, (FIRST, SECOND), ()),
    ],
)
def test_what_is_still_to_do_follows_from_the_file(found, min_reader, known, expected):
    assert plan(found, min_reader, known) == expected


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in rows} - {"schema_reader"}


def test_an_older_file_is_brought_up_step_by_step(tmp_path: Path):
    path = tmp_path / "a.db"
    for known, expected in ((1, {"a", "b"}), (2, {"a", "b", "c"}), (3, {"b", "c"})):
        with open_offline(path, ALL[:known]) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (known,)
        assert tables(path) == expected


def test_an_older_program_serves_a_newer_file_as_long_as_that_allows(tmp_path: Path):
    path = tmp_path / "a.db"
    with open_offline(path, ALL[:2]):
        pass
    with open_offline(path, ALL[:1]) as db:
        db.execute("INSERT INTO a VALUES (1)")
        assert db.execute("PRAGMA user_version").fetchone() == (2,)  # and leaves it as it is


def test_a_file_from_the_future_is_refused_by_name_and_left_alone(tmp_path: Path):
    path = tmp_path / "a.db"
    with open_offline(path, ALL):
        pass
    before = path.read_bytes()
    says = r"a\.db has schema 3 and needs a program of schema 3 or later; this one knows 2: install"
    with pytest.raises(StoreError, match=says), open_offline(path, ALL[:2]):
        pass
    assert path.read_bytes() == before


def test_a_step_that_fails_leaves_the_file_at_the_step_before(tmp_path: Path):
    path = tmp_path / "a.db"
    broken = Migration(2, 1, ("CREATE TABLE c (id INTEGER)", "CREATE TABLE a (id INTEGER)"))
    with pytest.raises(sqlite3.OperationalError), open_offline(path, (FIRST, broken)):
        pass
    assert tables(path) == {"a", "b"}
    with open_offline(path, (FIRST, SECOND)):
        pass
    assert tables(path) == {"a", "b", "c"}


@pytest.mark.parametrize("migrations", [STATE_MIGRATIONS, SPOOL_MIGRATIONS])
def test_the_products_steps_count_without_holes_and_run_on_an_empty_file(migrations, tmp_path):
    assert [step.version for step in migrations] == list(range(1, len(migrations) + 1))
    assert all(step.min_reader <= step.version for step in migrations)
    for _ in range(2):  # the second start finds nothing to do
        with open_offline(tmp_path / "a.db", migrations):
            pass
