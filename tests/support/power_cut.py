"""A queue's files as a power cut leaves them, and the surgery that a bad disk does on them.

``kill -9`` never tears a page: the kernel still writes what it was given. So the files of a
running queue are copied away, and the copy is cut, torn or zeroed by hand.
"""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.app import queuefile
from gateway.app.message import SpoolSide
from gateway.app.offline import SPOOL_MIGRATIONS, STATE_MIGRATIONS
from gateway.app.queuefile import Ready
from gateway.intake.deadletters import Bounds
from gateway.intake.store import admit
from gateway.model.outcome import MessageClass
from gateway.model.room import boundless
from gateway.model.time import SiteTime
from gateway.spool import store
from gateway.store.sqlite import Engine, open_offline
from gateway.store.tide import Gauge
from tests.support.desk import CONTRACT, Sent, alert, data
from tests.support.spooled import CIPHER

NOW = SiteTime(1_790_000_000_000)
BOUNDS = Bounds(dead_letters_max=1_000, payload_bytes=64)
SEALED = "5ea1" * 16
DEVICES = 4


@dataclass(frozen=True, slots=True)
class Files:
    """The state folder of one site."""

    folder: Path

    @property
    def spool(self) -> Path:
        return self.folder / "spool.db"

    @property
    def wal(self) -> Path:
        return self.folder / "spool.db-wal"

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    def prepare(self, later_ms: int = 1_000) -> Ready:
        """What a start does before it opens the queue."""
        with open_offline(self.state, STATE_MIGRATIONS) as db:
            return queuefile.prepare(self.spool, db, SiteTime(NOW + later_ms))

    def rows(self, sql: str, *values: object, file: str = "spool.db") -> list[Any]:
        with closing(sqlite3.connect(self.folder / file)) as db:
            return db.execute(sql, values).fetchall()

    def losses(self) -> list[tuple[int, str, str]]:
        """(generation, file, loss) of the lives that are over."""
        return self.rows(
            "SELECT generation, set_aside, loss FROM spool_file WHERE ended_ms IS NOT NULL "
            "ORDER BY generation",
            file="state.db",
        )

    def numbers(self, stream: str = "data") -> list[tuple[str, int]]:
        """(device, seq) of what waits."""
        return self.rows(
            "SELECT device, seq FROM message WHERE stream = ? ORDER BY device, seq", stream
        )

    def counted(self) -> bool:
        """The count that the page shows is right, and the file is whole."""
        depth = self.rows("SELECT class, rows, bytes FROM depth WHERE rows > 0 ORDER BY class")
        truth = self.rows(
            "SELECT class, count(*), sum(size_bytes) FROM message GROUP BY class ORDER BY class"
        )
        return depth == truth and self.rows("PRAGMA integrity_check") == [("ok",)]

    def page_bytes(self) -> int:
        return int.from_bytes(self.spool.read_bytes()[16:18], "big")

    def root(self, table: str) -> int:
        ((page,),) = self.rows("SELECT rootpage FROM sqlite_schema WHERE name = ?", table)
        return int(page)

    def overwrite(self, page: int, content: bytes, at: int = 0) -> None:
        """Write ``content`` into a page of the database file, counted from 1."""
        size = self.page_bytes()
        with self.spool.open("r+b") as file:
            file.seek((page - 1) * size + at)
            file.write(content[: size - at])

    def leaves(self, table: str) -> list[int]:
        """The pages that hold the rows of ``table``, in the order of their keys."""
        size, content = self.page_bytes(), self.spool.read_bytes()

        def below(page: int) -> list[int]:
            whole = content[(page - 1) * size : page * size]
            if whole[0] in {0x0D, 0x0A}:
                return [page]
            cells = int.from_bytes(whole[3:5], "big")
            at = [int.from_bytes(whole[12 + 2 * n : 14 + 2 * n], "big") for n in range(cells)]
            children = [int.from_bytes(whole[one : one + 4], "big") for one in at]
            children.append(int.from_bytes(whole[8:12], "big"))
            return [leaf for child in children for leaf in below(child)]

        return below(self.root(table))


def traffic(messages: int, first: int = 1) -> list[Sent]:
    """``messages`` logs of each of ``DEVICES`` devices, and one alert of each at the start."""
    sent: list[Sent] = []
    for number in range(DEVICES):
        device = f"cam-{number:02d}"
        if first == 1:
            sent.append(alert(1, "scratch", device=device))
        sent += [
            data(seq, f"{device} says {seq} " + "x" * 100, device=device)
            for seq in range(first, first + messages)
        ]
    return sent


async def after_a_cut(
    folder: Path, *commits: Sequence[Sent], sealed: int = 0, clean: bool = False
) -> Files:
    """Fill a queue, one commit after the other, and copy its files at once, as if power failed.

    Of the first logs ``sealed`` are bound to a batch. ``clean``: it was closed in order.
    """
    live = Files(folder / "live")
    live.folder.mkdir()
    ready = live.prepare(0)
    left = Files(folder / "left")
    spool = SpoolSide({CONTRACT.sha256: CONTRACT}, lambda _: boundless(), CIPHER)
    with Gauge(live.spool, ready.generation) as gauge:
        async with Engine(live.spool, SPOOL_MIGRATIONS, gauge.committed) as engine:
            await engine.write(store.remember, [CONTRACT])
            for sent in commits:
                await engine.write(admit, sent, now=NOW, spool=spool, bounds=BOUNDS)
            if sealed:
                await engine.write(_seal, sealed)
            if not clean:
                shutil.copytree(live.folder, left.folder)
    if clean:
        shutil.copytree(live.folder, left.folder)
    return left


def _seal(db: sqlite3.Connection, messages: int) -> None:
    numbers = db.execute(
        "SELECT id FROM message WHERE class = 'log' ORDER BY id LIMIT ?", (messages,)
    ).fetchall()
    batch = store.SealedBatch(SEALED, b"sealed", MessageClass.LOG, messages, messages)
    store.seal(db, batch, [number for (number,) in numbers], NOW, CIPHER)


def checkpointed(files: Files) -> Files:
    """Move everything from the log into the database file, as a checkpoint does."""
    with closing(sqlite3.connect(files.spool)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return files
