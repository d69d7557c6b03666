"""Whoever meets a damaged page, the engine's owner hears of it."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store import pages, salvage, tide
from gateway.store.migrations import Migration
from gateway.store.salvage import Part
from gateway.store.sqlite import PAGE_BYTES, Engine, connect, migrate, open_offline, transaction
from gateway.store.tide import Gauge, note_of
from gateway.store.watched import is_damage
from tests.support.power_cut import Files

MIGRATIONS = (
    Migration(
        1,
        1,
        (
            "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, body BLOB)",
            "CREATE TABLE depth (class TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE TABLE life (one INTEGER PRIMARY KEY, generation INTEGER NOT NULL)",
        ),
    ),
)
ROWS = 2_000


def fill(db: sqlite3.Connection, rows: int) -> None:
    db.executemany("INSERT INTO message (kind, body) VALUES ('a', zeroblob(100))", [()] * rows)


def depths(db: sqlite3.Connection, rows: int) -> None:
    db.executemany("INSERT INTO depth VALUES (?, 1)", [(f"{n:05d}",) for n in range(rows)])


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    with open_offline(files.spool, MIGRATIONS) as db, transaction(db):
        fill(db, ROWS)
        depths(db, ROWS)
    return files


def damaged(files: Files, table: str, *leaves: int) -> None:
    at = files.leaves(table)
    for leaf in leaves:
        files.overwrite(at[leaf], bytes(PAGE_BYTES))


SUM = "SELECT sum(length(body)) FROM message"


async def by_write(engine: Engine) -> None:
    await engine.write(lambda db: db.execute(SUM).fetchone())


async def by_all_rows(engine: Engine) -> None:
    async with engine.reader() as db:
        await db.execute_fetchall(SUM)


async def by_row_after_row(engine: Engine) -> None:
    async with engine.reader() as db, db.execute("SELECT id, body FROM message") as rows:
        async for _ in rows:
            pass


async def by_one_row(engine: Engine) -> None:
    async with engine.reader() as db, db.execute("SELECT id, body FROM message") as rows:
        while await rows.fetchone():
            pass


@pytest.mark.parametrize("meet", [by_write, by_all_rows, by_row_after_row, by_one_row])
async def test_a_damaged_page_that_anybody_meets_is_told(
    files: Files, meet: Callable[[Engine], asyncio.Future[None]]
):
    damaged(files, "message", 100)
    async with Engine(files.spool, MIGRATIONS) as engine:
        await engine.write(lambda db: db.execute("SELECT 1"))
        assert not engine.damaged.is_set()
        with pytest.raises(sqlite3.DatabaseError, match="malformed"):
            await meet(engine)
        await asyncio.wait_for(engine.damaged.wait(), 5)


async def test_another_error_is_no_damage(files: Files):
    async with Engine(files.spool, MIGRATIONS) as engine:
        with pytest.raises(sqlite3.IntegrityError):
            await engine.write(lambda db: db.execute("INSERT INTO message (id) VALUES (1)"))
        async with engine.reader() as db:
            with pytest.raises(sqlite3.OperationalError):
                await db.execute_fetchall("SELECT nothing")
        await asyncio.sleep(0)
        assert not engine.damaged.is_set()


@pytest.mark.parametrize(
    ("code", "damage"),
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_IOERR_READ, True),  # a bad sector
        (sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_READONLY, False),
        (sqlite3.SQLITE_BUSY, False),
    ],
)
def test_a_place_that_cannot_be_read_is_damage_and_one_that_cannot_be_written_is_not(
    code: int, *, damage: bool
):
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    assert is_damage(error) is damage


async def test_looking_at_all_pages_finds_what_no_query_has_met(files: Files):
    async with Engine(files.spool, MIGRATIONS) as engine, engine.reader() as db:
        assert await pages.damage(db) == ""
    damaged(files, "message", 100)
    async with Engine(files.spool, MIGRATIONS) as engine, engine.reader() as db:
        assert "malformed" in await pages.damage(db)
        assert engine.damaged.is_set()


def salvaged(files: Files, *parts: Part) -> tuple[salvage.Salvaged, list[int]]:
    fresh = files.folder / "fresh.db"
    with (
        salvage.fresh(fresh, MIGRATIONS) as target,
        salvage.readable(files.spool, fresh) as source,
    ):
        assert source is not None
        found = salvage.copy(source, target, parts or [Part("message"), Part("depth")])
        rows = target.execute("SELECT id FROM message ORDER BY id").fetchall()
    return found, [number for (number,) in rows]


def test_many_damaged_pages_cost_their_own_rows_alone(files: Files):
    lost = list(range(3, 180, 7))
    content, leaves = files.spool.read_bytes(), files.leaves("message")
    begin = [(leaves[leaf] - 1) * PAGE_BYTES for leaf in lost]
    rows = sum(int.from_bytes(content[at + 3 : at + 5], "big") for at in begin)
    damaged(files, "message", *lost)
    found, kept = salvaged(files)
    assert found.zones == {"message": len(lost)}
    assert len(kept) == ROWS - rows
    assert found.rows["depth"] == ROWS


@pytest.mark.parametrize("leaf", [0, -1])
def test_a_damaged_end_of_a_table_costs_its_own_rows_alone(files: Files, leaf: int):
    damaged(files, "message", leaf)
    _, kept = salvaged(files)
    assert ROWS - 10 <= len(kept) < ROWS
    assert (kept[0] > 1) == (leaf == 0)


def test_a_table_without_row_numbers_is_read_from_both_ends(files: Files):
    damaged(files, "depth", 20)
    found, _ = salvaged(files)
    assert ROWS - PAGE_BYTES // 10 <= found.rows["depth"] < ROWS


@pytest.mark.parametrize(
    "content", [b"\xa5" * PAGE_BYTES, b"\x0d" + b"\x00" * 900, b"\x0d\xff" * 500]
)
def test_a_page_of_rubbish_ends_in_fewer_rows_and_never_in_a_hang(files: Files, content: bytes):
    files.overwrite(files.leaves("message")[50], content)
    _, kept = salvaged(files)
    assert ROWS - 10 <= len(kept) <= ROWS


def test_a_torn_page_keeps_none_of_its_zeroed_rows(files: Files):
    """Rows stand at the end of a page: its first half alone has their places and not them."""
    leaf = files.leaves("message")[50]
    files.overwrite(leaf, bytes(PAGE_BYTES), at=PAGE_BYTES // 2)
    _, kept = salvaged(files)
    assert kept == sorted(set(kept))
    assert all(1 <= number <= ROWS for number in kept)
    assert len(kept) >= ROWS - 10


def test_a_full_disk_keeps_what_was_copied_first(files: Files):
    fresh = files.folder / "fresh.db"
    with closing(connect(fresh)) as target, salvage.readable(files.spool, fresh) as source:
        migrate(target, fresh, MIGRATIONS)
        target.execute("PRAGMA max_page_count = 80")
        assert source is not None
        found = salvage.copy(source, target, [Part("depth"), Part("message")])
        assert found.full
        assert target.execute("SELECT count(*) FROM depth").fetchone() == (ROWS,)


def test_a_part_of_a_table_takes_the_rows_it_names(files: Files):
    with open_offline(files.spool, MIGRATIONS) as db:
        db.execute("UPDATE message SET kind = 'b' WHERE id % 2")
    _, kept = salvaged(files, Part("message", "kind", frozenset({"b"})))
    assert kept == list(range(1, ROWS + 1, 2))


def test_a_table_that_the_old_file_does_not_know_is_skipped(files: Files):
    with closing(sqlite3.connect(files.spool)) as db, db:
        db.execute("DROP TABLE depth")
    found, kept = salvaged(files)
    assert len(kept) == ROWS
    assert "depth" not in found.rows


async def test_the_note_beside_the_file_follows_every_commit(files: Files):
    with Gauge(files.spool, 3) as gauge:
        async with Engine(files.spool, MIGRATIONS, gauge.committed) as engine:
            await engine.write(fill, 5)
            found = tide.read(files.spool)
            assert found is not None
            assert (found.generation, found.issued, found.clean) == (
                3,
                {"message": ROWS + 5},
                False,
            )
            assert found.waiting == ROWS
    found = tide.read(files.spool)
    assert found is not None
    assert found.clean
    assert found.missing({"message": ROWS}) == {"message": 5}
    assert found.missing({"message": ROWS + 9}) == {}


async def test_a_note_that_cannot_be_written_fails_no_commit(files: Files):
    with Gauge(files.spool, 3) as gauge:
        async with Engine(files.spool, MIGRATIONS, gauge.committed) as engine:
            await engine.write(lambda db: db.execute("DROP TABLE depth"))
            await engine.write(fill, 5)
    assert files.rows("SELECT count(*) FROM message") == [(ROWS + 5,)]
    assert note_of(files.spool).exists()
