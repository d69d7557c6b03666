"""SQLite, one writer thread a file: a transaction is a plain function.

A plain function cannot await, so no cancellation can cut it in half. Every commit is on
the disk when ``write`` returns (``synchronous=FULL``); readers are separate read-only
connections and never block the writer (WAL).
"""

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

import aiosqlite

from gateway.model.errors import OperatorFaultError
from gateway.store.migrations import Migration, TooNew, plan
from gateway.store.watched import Damage, is_damage

P = ParamSpec("P")
R = TypeVar("R")

BUSY_TIMEOUT_MS = 5_000
WAL_BYTES_MAX = 16 * 1024 * 1024
PAGE_BYTES: Final = 1_024
"""A commit writes whole pages, and a commit of few messages touches one for each device: with
SQLite's own 4,096 bytes the flash takes twice as much (``BENCHMARKS.md``)."""
CHECKPOINT_BYTES: Final = 4 * 1024 * 1024
"""What SQLite's default of 1,000 pages comes to with its own page size."""


_DAMAGED: Final = (
    "the file is damaged: move it aside with its -wal and -shm files and restore the last backup "
    "(site-gateway backup restore)"
)
_RIGHTS: Final = "check owner and rights of the file and its folder"
_DISK: Final = "the disk refuses: check it and the system's log"
_REMEDIES: Final = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FULL: "free space on its disk",
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_CANTOPEN: _RIGHTS,
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_READONLY: _RIGHTS,
    sqlite3.SQLITE_BUSY: "another program holds it: end that program",
}
_PRIMARY_CODE: Final = 0xFF


_MAY_BE_FULL: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
"""What SQLite says when a -wal or -shm cannot be made on a full disk."""
_FULL_BYTES: Final = 262_144


def _is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _FULL_BYTES


class StoreError(OperatorFaultError):
    """A database file cannot be opened or written; the message names file, cause and remedy."""


class DamagedError(StoreError):
    """A database file is damaged: what is in it must be set aside or restored."""


@contextmanager
def told(path: Path) -> Generator[None]:
    """Say in a sentence what an operator can mend; any other error of SQLite is a bug."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        remedy = _REMEDIES.get(code & _PRIMARY_CODE)
        if remedy is None:
            raise
        if code & _PRIMARY_CODE in _MAY_BE_FULL and _is_full(path.parent):
            remedy = _REMEDIES[sqlite3.SQLITE_FULL]
        msg = f"{path} cannot be opened: {error}: {remedy}"
        raise (DamagedError if is_damage(error) else StoreError)(msg) from error
    except OSError as error:
        remedy = _REMEDIES[sqlite3.SQLITE_FULL] if error.errno == errno.ENOSPC else _RIGHTS
        msg = f"{path} cannot be opened: {error.strerror}: {remedy}"
        raise StoreError(msg) from error


def connect(path: Path) -> sqlite3.Connection:
    """Open ``path`` for writing with the durability that receipts rest on.

    Raises:
        StoreError: the file is damaged, the disk is full, or its folder is closed to us.
    """
    with told(path):
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _set_up(db)
            path.chmod(0o600)
        except BaseException:
            db.close()
            raise
    return db


def _set_up(db: sqlite3.Connection) -> None:
    if not db.execute("PRAGMA page_count").fetchone()[0]:
        # Only a file without a single page takes these, so before WAL, which writes the first.
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    # NORMAL may lose the last commits on a power cut, and a receipt is a
    # promise that we do not: FULL syncs the WAL at every commit.
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    page_bytes = int(db.execute("PRAGMA page_size").fetchone()[0])
    db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_BYTES // page_bytes}")


def migrate(db: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    """Bring the file to this program's schema, one transaction a step.

    Crash: a step is either whole or absent, so the next start goes on where this one stopped.

    Raises:
        StoreError: the file is newer than this program can follow, damaged, or on a full disk.
    """
    with told(path):
        _migrate(db, path, migrations)


def _migrate(db: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS schema_reader (min_reader INTEGER NOT NULL)")
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    row = db.execute("SELECT max(min_reader) FROM schema_reader").fetchone()
    steps = plan(found, int(row[0] or 0), migrations)
    if isinstance(steps, TooNew):
        msg = (
            f"{path} has schema {steps.found} and needs a program of schema "
            f"{steps.min_reader} or later; this one knows {steps.known}: install the newer release"
        )
        raise StoreError(msg)
    for step in steps:
        with transaction(db):
            for statement in step.statements:
                db.execute(statement)
            db.execute("INSERT INTO schema_reader (min_reader) VALUES (?)", (step.min_reader,))
            db.execute(f"PRAGMA user_version = {step.version}")


def give_back(db: sqlite3.Connection, pages: int, kept: int = 0) -> int:
    """Give up to ``pages`` unused pages back to the disk, and return how many it were.

    ``kept`` unused pages stay: a queue breathes, and soon uses them again.

    Part of the caller's transaction, as any other unit of ``Engine.write``. The file is
    shorter after the next checkpoint. A file from before ``auto_vacuum`` keeps its pages.
    """
    unused = int(db.execute("PRAGMA freelist_count").fetchone()[0])
    for _ in range(min(pages, unused - kept)):
        # Page by page: the module steps such a statement once, and each step frees one page.
        db.execute("PRAGMA incremental_vacuum(1)")
    return unused - int(db.execute("PRAGMA freelist_count").fetchone()[0])


@contextmanager
def transaction(
    db: sqlite3.Connection, timed: Callable[[], AbstractContextManager[object]] = nullcontext
) -> Generator[None]:
    """Run the block as one transaction: all of it reaches the disk, or none.

    ``timed()`` is held while it commits.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        with timed():
            db.execute("COMMIT")
    except BaseException:
        # A full disk fails the COMMIT itself, and SQLite may already have rolled
        # back; a second ROLLBACK would hide that error.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def open_offline(path: Path, migrations: Sequence[Migration]) -> Generator[sqlite3.Connection]:
    """Open ``path`` for a command that runs without a gateway. The caller holds the state lock."""
    db = connect(path)
    try:
        migrate(db, path, migrations)
        yield db
    finally:
        db.close()


def nothing(_: sqlite3.Connection) -> None:
    """Do nothing after a commit."""


def _no_relief(_: sqlite3.Error) -> bool:
    return False


class Engine:
    """The one writer of a database file. Use as ``async with``.

    ``committed`` runs on the writer's thread after each commit, outside of any transaction.
    ``damaged`` is set as soon as a write or a read finds the file damaged, and stays set.
    """

    def __init__(
        self,
        path: Path,
        migrations: Sequence[Migration],
        committed: Callable[[sqlite3.Connection], None] = nothing,
    ) -> None:
        self.path = path
        self.timed: Callable[[], AbstractContextManager[object]] = nullcontext
        """Held on the writer's thread while a transaction commits; the metrics set it."""
        self.relief: Callable[[sqlite3.Error], bool] = _no_relief
        """Asked on the writer's thread when a write failed; True: try it once more."""
        self.damaged = asyncio.Event()
        self._committed = committed
        self._migrations = migrations
        # Bounded by its callers: each awaits its own transaction, and there is a fixed set of them.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"writer-{path.stem}")
        self._db: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        def begin() -> sqlite3.Connection:
            db = connect(self.path)
            try:
                migrate(db, self.path, self._migrations)
            except BaseException:
                db.close()
                raise
            return db

        loop = asyncio.get_running_loop()
        try:
            self._db = await loop.run_in_executor(self._thread, begin)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        db, self._db = self._db, None
        if db is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, db.close)
        self._thread.shutdown(wait=True)

    async def write(
        self,
        unit: Callable[Concatenate[sqlite3.Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Run ``unit(db, *args)`` as one transaction and return its result after the commit.

        Cancelled while it waits, a transaction that has begun still runs to its end on the
        writer thread; one that has not, never does. The caller cannot know which.

        Raises:
            sqlite3.Error: the file or disk refused; nothing of the transaction is stored.
        """
        db = self._db
        if db is None:
            msg = f"{self.path.name} is not open"
            raise RuntimeError(msg)

        def whole() -> R:
            with transaction(db, self.timed):
                result = unit(db, *args, **kwargs)
            self._committed(db)
            return result

        def tried() -> R:
            try:
                return whole()
            except sqlite3.Error as error:
                if not self.relief(error):
                    raise
            return whole()  # nothing of the first was stored

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, tried)
        except sqlite3.Error as error:
            if is_damage(error):
                self.damaged.set()
            raise

    async def checkpoint(self) -> bool:
        """Bring the WAL into the file, so that the next write begins it anew.

        Its own space is kept: on a full disk another program would take it, and no write
        would get through any more. False, and nothing is lost, while a reader still needs
        it: ask again later.

        Raises:
            sqlite3.Error: the file or disk refused; what was committed stays committed.
        """
        db = self._db
        if db is None:
            msg = f"{self.path.name} is not open"
            raise RuntimeError(msg)

        def whole() -> bool:
            # A reader that stays must not hold up the writer, and with it every receipt.
            db.execute("PRAGMA busy_timeout = 0")
            try:
                return not db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0]
            finally:
                db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

        return await asyncio.get_running_loop().run_in_executor(self._thread, whole)

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[aiosqlite.Connection]:
        """Open a read-only connection that sees committed data only."""
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        damage = Damage(partial(asyncio.get_running_loop().call_soon_threadsafe, self.damaged.set))
        async with aiosqlite.connect(uri, uri=True, factory=damage.connection) as db:
            yield db
