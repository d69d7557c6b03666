"""Expand and contract: the file of the next release, served by the program of this one."""

import re
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from gateway.app.offline import SPOOL_MIGRATIONS, STATE_MIGRATIONS
from gateway.model.outcome import MessageClass
from gateway.spool import store
from gateway.store.migrations import Migration
from gateway.store.sqlite import StoreError, open_offline
from tests.app.test_queue import RESULT_ITEM, Plant
from tests.architecture.tree import gateway_modules
from tests.support.desk import alert_item, log_item

POSITIONAL = re.compile(r"INTO \w+ (VALUES|SELECT)")


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return [name for (name,) in rows]


def next_release(path: Path, migrations: tuple[Migration, ...]) -> Migration:
    """Every table gets a column, and there is a table and an index that today nobody knows."""
    last = migrations[-1]
    wider = [f"ALTER TABLE {name} ADD COLUMN later TEXT DEFAULT 'x'" for name in tables(path)]
    new = ("CREATE TABLE later (id INTEGER PRIMARY KEY)", "CREATE INDEX later_on ON later (id)")
    return Migration(last.version + 1, last.version, (*wider, *new))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "spool.db"
    with open_offline(path, SPOOL_MIGRATIONS):
        pass
    with open_offline(path, (*SPOOL_MIGRATIONS, next_release(path, SPOOL_MIGRATIONS))):
        pass
    return path


async def test_new_data_and_the_previous_releases_program_serve(path: Path):
    """Admitted, sealed, delivered, parked, expired, shed from the books: all on the wider file."""
    async with Plant(path) as plant:
        await plant.send("alert", alert_item())
        alert = await plant.sealed(after_s=1)
        await plant.queue.delivered(alert.sha256)
        await plant.send("result", RESULT_ITEM)
        result = await plant.sealed()
        assert result.message_class is MessageClass.RESULT
        await plant.engine.write(store.park, result.sha256, "400 no", plant.clock.site())
        await plant.send("log", log_item())
        await plant.restart()
        log = await plant.sealed()
        await plant.queue.delivered(log.sha256)
        await plant.send("metric", {"mono_ms": 5, "name": "power", "value": 4.5})
        await plant.clock.step(169 * 3600)
        await plant.queue.sweep()
        assert await plant.outcomes() == [
            (1, "delivered"),
            (2, "expired"),
            (3, "delivered"),
            (4, "expired"),
        ]
    with closing(sqlite3.connect(path)) as db:
        version = SPOOL_MIGRATIONS[-1].version
        assert db.execute("PRAGMA user_version").fetchone() == (version + 1,)
        assert db.execute("SELECT DISTINCT later FROM ended").fetchall() == [("x",)]


def test_no_insert_relies_on_the_order_of_columns():
    """A column that the next release adds would break it, and with it the way back."""
    found = [
        f"gateway/{name}:{number}"
        for name, text in gateway_modules()
        for number, line in zip(count(1), text.splitlines(), strict=False)
        if POSITIONAL.search(line) and "SELECT *" not in text
    ]
    assert found == [], "name the columns"


@pytest.mark.parametrize("migrations", [SPOOL_MIGRATIONS, STATE_MIGRATIONS])
def test_a_file_that_this_program_cannot_read_right_is_refused_by_name(
    tmp_path: Path, migrations: tuple[Migration, ...]
):
    path = tmp_path / "some.db"
    last = migrations[-1].version
    with open_offline(path, (*migrations, Migration(last + 1, last + 1, ()))):
        pass
    says = f"has schema {last + 1} and needs a program of schema {last + 1} or later"
    with pytest.raises(StoreError, match=says), open_offline(path, migrations):
        pass
