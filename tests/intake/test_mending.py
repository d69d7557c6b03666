"""Marks with holes give no receipts: the device draws a new epoch."""

import sqlite3
from pathlib import Path

import pytest

from gateway.intake import mending
from gateway.model.time import SiteTime
from tests.support.desk import Desk, data, status

NOW = SiteTime(9_000_000)
STATES = "SELECT epoch, state FROM origin ORDER BY epoch"


async def test_whole_marks_stay_open(tmp_path: Path):
    async with Desk(tmp_path / "spool.db") as desk:
        await desk.take(data(1), data(2), data(4))  # 4 is ahead of the mark
        assert await desk.engine.write(mending.mend, NOW) == 0
        assert desk.rows(STATES) == [(7, "open")]


@pytest.mark.parametrize(
    "lost",
    ["DELETE FROM origin", "DELETE FROM seen WHERE seq = 4"],
    ids=["the mark", "a digest ahead of the mark"],
)
async def test_an_epoch_with_holes_is_told_to_end(tmp_path: Path, lost: str):
    """Taken as new, number 4 would be stored twice; a guessed mark could free what never was."""
    async with Desk(tmp_path / "spool.db") as desk:
        await desk.take(data(1), data(2), data(4))
        await desk.engine.write(lambda db: db.execute(lost))
        assert await desk.engine.write(mending.mend, NOW) == 1
        assert desk.rows(STATES) == [(7, "conflicted")]
        receipt = await desk.receipt(data(4))
        assert (receipt.alert, receipt.data) == (0, 0)  # frees nothing
        assert receipt.refused[0][2] == "conflict"
        assert desk.kept() == [1, 2, 4]
        answer = await desk.receipt(status(7, 0, 4))
        assert answer.refused[0][2] == "conflict"
        assert (await desk.receipt(data(1, epoch=8))).data == 1


async def test_digests_of_nobody_go(tmp_path: Path):
    async with Desk(tmp_path / "spool.db") as desk:
        await desk.take(data(1))

        def orphan(db: sqlite3.Connection) -> None:
            db.execute("PRAGMA defer_foreign_keys = ON")
            db.execute("INSERT INTO seen (origin, stream, seq, digest) VALUES (99, 'data', 1, x'')")
            mending.mend(db, NOW)

        await desk.engine.write(orphan)
        assert desk.rows("SELECT DISTINCT origin FROM seen") == [(1,)]
