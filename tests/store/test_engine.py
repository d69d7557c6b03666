"""One writer a file: a transaction is whole or absent, whatever happens around it."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.store.migrations import Migration
from gateway.store.sqlite import (
    PAGE_BYTES,
    Engine,
    StoreError,
    connect,
    give_back,
    migrate,
    open_offline,
    transaction,
)

TABLES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
    """CREATE TABLE child (id INTEGER PRIMARY KEY,
        parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)""",
)
MIGRATIONS = (Migration(1, 1, TABLES),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[Engine]:
    async with Engine(path, MIGRATIONS) as opened:
        yield opened


def insert(db: sqlite3.Connection, *numbers: int) -> int:
    db.executemany("INSERT INTO parent VALUES (?)", [(number,) for number in numbers])
    return len(numbers)


def stored(path: Path) -> list[int]:
    """What another process would find."""
    with closing(sqlite3.connect(path)) as db:
        return [number for (number,) in db.execute("SELECT id FROM parent ORDER BY id")]


async def test_when_write_returns_others_see_what_was_written(engine: Engine, path: Path):
    assert await engine.write(insert, 1, 2) == 2
    assert stored(path) == [1, 2]


async def test_every_commit_reaches_the_disk_before_it_counts(engine: Engine):
    def settings(db: sqlite3.Connection) -> tuple[int, str, int]:
        full, wal, foreign = (
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "foreign_keys")
        )
        return full, wal, foreign

    assert await engine.write(settings) == (2, "wal", 1)  # 2 is FULL


async def test_a_small_commit_writes_small_pages(engine: Engine):
    def settings(db: sqlite3.Connection) -> tuple[int, int]:
        page_bytes, pages = (
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "wal_autocheckpoint")
        )
        return page_bytes, page_bytes * pages

    assert await engine.write(settings) == (1_024, 4 * 2**20)


async def test_an_error_inside_leaves_nothing_of_its_transaction(engine: Engine, path: Path):
    def half(db: sqlite3.Connection) -> None:
        insert(db, 1)
        msg = "in the middle"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="in the middle"):
        await engine.write(half)
    assert stored(path) == []
    await engine.write(insert, 1)
    assert stored(path) == [1]


async def test_a_commit_that_fails_leaves_nothing_and_the_next_one_works(
    engine: Engine, path: Path
):
    """A deferred constraint fails in the COMMIT itself and leaves the transaction open."""

    def orphan(db: sqlite3.Connection) -> None:
        insert(db, 1)
        db.execute("INSERT INTO child VALUES (1, 99)")

    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await engine.write(orphan)
    assert stored(path) == []
    await engine.write(insert, 2)
    assert stored(path) == [2]


async def test_a_full_disk_is_an_error_of_that_write_only(engine: Engine, path: Path):
    def bound(db: sqlite3.Connection, pages: int) -> None:
        db.execute(f"PRAGMA max_page_count = {pages}")

    await engine.write(insert, 1)
    await engine.write(bound, 1)  # SQLite keeps at least what it has
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await engine.write(insert, *range(10, 10_000))
    assert stored(path) == [1]
    await engine.write(bound, 10_000)
    await engine.write(insert, 2)
    assert stored(path) == [1, 2]


async def test_a_cancelled_caller_does_not_cut_its_transaction_in_half(engine: Engine, path: Path):
    inside, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        insert(db, 1)
        inside.set()
        go_on.wait(10)
        insert(db, 2)

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(engine.write(slow))
        await asyncio.to_thread(inside.wait, 10)
        waiting = tasks.create_task(engine.write(insert, 3))
        await asyncio.sleep(0)
        writing.cancel()
        waiting.cancel()
    assert writing.cancelled()
    go_on.set()
    await engine.write(insert, 4)
    assert stored(path) == [1, 2, 4]  # what had not begun never begins


async def test_writes_follow_one_another_in_the_order_of_their_calls(engine: Engine, path: Path):
    def append(db: sqlite3.Connection, number: int) -> None:
        rows = db.execute("SELECT count(*) FROM parent").fetchone()[0]
        db.execute("INSERT INTO parent VALUES (?)", (rows * 100 + number,))

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(engine.write(append, number))
    assert stored(path) == [0, 101, 202, 303, 404]


async def test_a_reader_sees_commits_only_and_cannot_write(engine: Engine):
    inside, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        insert(db, 1)
        inside.set()
        go_on.wait(10)

    count = "SELECT count(*) FROM parent"
    async with engine.reader() as db, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(engine.write(slow))
        await asyncio.to_thread(inside.wait, 10)
        assert list(await db.execute_fetchall(count)) == [(0,)]
        go_on.set()
        await writing
        assert list(await db.execute_fetchall(count)) == [(1,)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await db.execute("INSERT INTO parent VALUES (9)")


async def test_nobody_else_may_read_the_files(engine: Engine, path: Path):
    await engine.write(insert, 1)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["test.db", "test.db-shm", "test.db-wal"]
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}


async def test_a_closed_engine_says_so(path: Path):
    engine = Engine(path, MIGRATIONS)
    with pytest.raises(RuntimeError, match=r"test\.db is not open"):
        await engine.write(insert, 1)
    async with engine:
        await engine.write(insert, 1)
    with pytest.raises(RuntimeError, match=r"test\.db is not open"):
        await engine.write(insert, 2)
    assert stored(path) == [1]


def test_a_file_that_is_no_database_is_the_operators_to_mend(path: Path):
    content = b"this is no database, though it is long enough to be one" * 30
    path.write_bytes(content)
    says = r"test\.db cannot be opened: .*not a database: the file is damaged: move it aside"
    with pytest.raises(StoreError, match=says), open_offline(path, MIGRATIONS):
        pass
    assert path.read_bytes() == content


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(StoreError, match=r"nowhere/test\.db cannot be opened"):
        async with Engine(tmp_path / "nowhere" / "test.db", MIGRATIONS):
            pass


async def test_a_folder_that_is_a_file_is_named(tmp_path: Path):
    (tmp_path / "state").touch()
    says = r"state/test\.db cannot be opened: .*: check owner and rights"
    with pytest.raises(StoreError, match=says):
        async with Engine(tmp_path / "state" / "test.db", MIGRATIONS):
            pass


@pytest.mark.parametrize("page", [0, 1, 2])
def test_a_file_with_a_damaged_page_ends_the_start_in_a_sentence(path: Path, page: int):
    """Page 1 holds the schema, page 3 the table that the migration reads first."""
    with open_offline(path, MIGRATIONS) as db:
        size = int(db.execute("PRAGMA page_size").fetchone()[0])
        root = "SELECT rootpage FROM sqlite_schema WHERE name = 'schema_reader'"
        roots = [1, 1, int(db.execute(root).fetchone()[0])]
    content = bytearray(path.read_bytes())
    begin = (roots[page] - 1) * size + (100 if page == 1 else 0)
    content[begin : roots[page] * size] = b"\xa5" * (roots[page] * size - begin)
    path.write_bytes(content)
    says = r"test\.db cannot be opened: .*: the file is damaged: move it aside with its -wal"
    with pytest.raises(StoreError, match=says), open_offline(path, MIGRATIONS):
        pass
    assert path.read_bytes() == content


def test_a_full_disk_at_a_migration_says_that_space_is_missing(path: Path):
    with closing(connect(path)) as db:
        db.execute("PRAGMA max_page_count = 3")
        says = r"test\.db cannot be opened: .*full: free space on its disk"
        with pytest.raises(StoreError, match=says):
            migrate(db, path, MIGRATIONS)
        assert db.execute("PRAGMA user_version").fetchone() == (0,)
        db.execute("PRAGMA max_page_count = 1000")
        migrate(db, path, MIGRATIONS)  # the next start goes on there


def test_a_disk_that_takes_no_byte_is_an_error_of_the_operator(path: Path):
    """SIGXFSZ is ignored by Python, so the write itself fails, as on a full disk."""
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from gateway.store.migrations import Migration\n"
        "from gateway.store.sqlite import StoreError, open_offline\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try:\n"
        "    with open_offline(Path(sys.argv[1]), (Migration(1, 1, ()),)): pass\n"
        "except StoreError as error: sys.exit(str(error))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert f"{path} cannot be opened: disk I/O error: the disk refuses" in ran.stderr


def test_a_mistake_in_a_migration_stays_a_bug(path: Path):
    with (
        pytest.raises(sqlite3.OperationalError, match="syntax error"),
        open_offline(path, (Migration(1, 1, ("CREATE TABEL x",)),)),
    ):
        pass


BLOBS = (Migration(1, 1, ("CREATE TABLE blob (id INTEGER PRIMARY KEY, data BLOB)",)),)


def fill(db: sqlite3.Connection, rows: int) -> None:
    db.executemany("INSERT INTO blob (data) VALUES (zeroblob(900))", [()] * rows)


def make_room(db: sqlite3.Connection, pages: int) -> int:
    """Delete and give back in one transaction, as a sweep does."""
    db.execute("DELETE FROM blob WHERE id % 2")
    return give_back(db, pages)


def test_a_file_shrinks_by_what_is_given_back_and_by_no_more(path: Path):
    with open_offline(path, BLOBS) as db, transaction(db):
        fill(db, 1_000)
    full = path.stat().st_size
    with open_offline(path, BLOBS) as db, transaction(db):
        assert make_room(db, 100) == 100
    assert (
        full - 102 * PAGE_BYTES <= path.stat().st_size <= full - 100 * PAGE_BYTES
    )  # pages of pointers too
    with open_offline(path, BLOBS) as db, transaction(db):
        assert 390 <= give_back(db, 10_000) <= 400
        assert give_back(db, 10_000) == give_back(db, 0) == 0
    assert path.stat().st_size <= full - 490 * PAGE_BYTES
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rest = db.execute("SELECT count(*), sum(length(data)) FROM blob").fetchone()
    assert rest == (500, 450_000)


async def test_a_transaction_that_fails_gives_nothing_back(path: Path):
    def half(db: sqlite3.Connection) -> None:
        make_room(db, 100)
        msg = "in the middle"
        raise ValueError(msg)

    async with Engine(path, BLOBS) as engine:
        await engine.write(fill, 1_000)
        with pytest.raises(ValueError, match="in the middle"):
            await engine.write(half)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM blob").fetchone() == (1_000,)


async def test_a_file_of_an_older_program_keeps_its_pages_and_works(path: Path):
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE other (id INTEGER)")
    async with Engine(path, BLOBS) as engine:
        await engine.write(fill, 100)
        assert await engine.write(make_room, 100) == 0


async def test_a_command_without_a_gateway_opens_the_same_file(path: Path):
    with open_offline(path, MIGRATIONS) as db:
        insert(db, 1)
    async with Engine(path, MIGRATIONS) as engine:
        await engine.write(insert, 2)
    with open_offline(path, MIGRATIONS) as db:
        assert db.execute("SELECT count(*) FROM parent").fetchone() == (2,)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        db.execute("SELECT 1")


def test_pages_that_a_queue_soon_needs_again_are_kept(path: Path):
    db = connect(path)
    with closing(db):
        db.execute("CREATE TABLE filled (body BLOB)")
        db.execute("INSERT INTO filled VALUES (zeroblob(1000000))")
        db.execute("DELETE FROM filled")
        unused = int(db.execute("PRAGMA freelist_count").fetchone()[0])
        assert give_back(db, unused, kept=unused - 10) == 10
        assert give_back(db, unused, kept=unused) == 0


async def test_only_what_commits_is_timed_and_the_commit_alone(tmp_path: Path):
    told: list[str] = []

    @contextmanager
    def timed():
        told.append("begins")
        yield
        told.append("ends")

    async with Engine(tmp_path / "x.db", (Migration(1, 1, ("CREATE TABLE x (y)",)),)) as engine:
        engine.timed = timed

        def work(db: sqlite3.Connection) -> None:
            told.append("work")
            db.execute("INSERT INTO x VALUES (1)")

        await engine.write(work)
        with pytest.raises(sqlite3.OperationalError):
            await engine.write(lambda db: db.execute("INSERT INTO nothing VALUES (1)"))
    assert told == ["work", "begins", "ends"]
