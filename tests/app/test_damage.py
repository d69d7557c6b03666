"""Damage that shows up while the site serves, and what stays after it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.app import queuefile
from gateway.app.damage import look, reopening, tell
from gateway.app.offline import SPOOL_MIGRATIONS, STATE_MIGRATIONS, Places
from gateway.app.opened import Opened
from gateway.app.queuefile import AN_HOUR_MAX, QueueDamagedError, Ready
from gateway.app.voices import Voices
from gateway.model.errors import OperatorFaultError
from gateway.model.time import SiteTime
from gateway.store.sqlite import Engine
from tests.app.test_queue import ANY, RESULT_ITEM, Plant
from tests.simulators.clock import SteppedClock
from tests.support.power_cut import NOW, Files, after_a_cut, checkpointed, traffic


async def test_a_damaged_queue_opens_the_site_again_and_nothing_else_does():
    rounds: list[int] = []

    async def serve() -> None:
        rounds.append(len(rounds))
        async with asyncio.TaskGroup() as tasks:
            if len(rounds) < 3:
                tasks.create_task(_damaged())

    async def _damaged() -> None:
        raise QueueDamagedError(1)

    await reopening(serve)
    assert rounds == [0, 1, 2]

    async def full() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_full())

    async def _full() -> None:
        msg = "the disk is full"
        raise OperatorFaultError(msg)

    with pytest.raises(ExceptionGroup, match="unhandled") as raised:
        await reopening(full)
    assert raised.group_contains(OperatorFaultError)


async def test_what_was_condemned_is_set_aside_by_the_next_start(tmp_path: Path):
    files = await after_a_cut(tmp_path, traffic(10))
    with closing(sqlite3.connect(files.state)) as state, state:
        queuefile.condemn(state, 1, SiteTime(5))
    assert files.prepare().generation == 2
    assert files.losses()[0][1] == "spool.db.aside-1"
    assert len(files.numbers()) == 40


async def test_a_disk_that_damages_one_file_after_the_other_ends_in_a_sentence(tmp_path: Path):
    files = Files(tmp_path)
    files.prepare()
    for _ in range(AN_HOUR_MAX):
        files.spool.write_bytes(b"\xa5" * 4_096)
        files.prepare()
    files.spool.write_bytes(b"\xa5" * 4_096)
    with pytest.raises(OperatorFaultError, match=r"10 times within an hour: the disk is failing"):
        files.prepare()
    assert files.prepare(later_ms=3_700_000).generation == AN_HOUR_MAX + 2


async def test_a_message_whose_contract_was_lost_stays_here(tmp_path: Path):
    """Nobody knows what of it may leave, so nothing does; retention ends it."""
    async with Plant(tmp_path / "spool.db") as plant:
        await plant.send("result", RESULT_ITEM)
        with closing(sqlite3.connect(plant.path)) as db, db:
            db.execute("UPDATE message SET contract = ?", ("f" * 64,))
        await plant.restart()
        await plant.clock.step(61)
        assert await plant.queue.seal(ANY) == 0
        assert await plant.queue.seal(ANY) is None
        assert await plant.outcomes() == [(1, "queued")]
        await plant.clock.step(25 * 3600)
        await plant.queue.sweep()
        assert await plant.outcomes() == [(1, "expired")]


@pytest.mark.parametrize("checked", [False, True], ids=["after a kill", "closed in order"])
async def test_all_pages_are_looked_at_after_a_kill_and_once_a_week(
    tmp_path: Path, *, checked: bool
):
    """Damage is found while the row is still on its device, or in a backup; not at the drain."""
    left = checkpointed(await after_a_cut(tmp_path, traffic(100)))
    leaves = left.leaves("message")
    left.overwrite(leaves[len(leaves) // 2], bytes(4_096))
    clock = SteppedClock()
    async with Engine(left.spool, SPOOL_MIGRATIONS) as engine, asyncio.TaskGroup() as tasks:
        files = SimpleNamespace(spool=engine, clock=clock, queue_file=Ready(1, checked=checked))
        looking = tasks.create_task(look(cast("Opened", files)))
        if checked:
            await clock.asleep()
            assert not engine.damaged.is_set()
            for _ in range(7):
                await clock.step(86_400)
        async with asyncio.timeout(10):
            await engine.damaged.wait()
        looking.cancel()


async def test_a_loss_is_shown_for_seven_days_and_its_file_kept_as_long(tmp_path: Path):
    left = await after_a_cut(tmp_path, traffic(10))
    left.spool.write_bytes(b"\xa5" * 4_096)
    left.prepare()
    clock = SteppedClock(NOW)
    voices = Voices(clock)
    aside = left.folder / "spool.db.aside-1"
    async with Engine(left.state, STATE_MIGRATIONS) as state, asyncio.TaskGroup() as tasks:
        places = Places(left.folder, left.folder)
        files = SimpleNamespace(state=state, clock=clock, places=places)
        telling = tasks.create_task(tell(cast("Opened", files), voices))
        await clock.asleep()
        ((code, subject),) = voices.register.problems
        assert (code, subject) == ("queue-damaged", aside.name)
        assert aside.exists()
        for _ in range(8 * 24):
            await clock.asleep()
            await clock.step(3_600)
        await clock.asleep()
        assert not voices.register.problems
        assert not aside.exists()
        telling.cancel()
