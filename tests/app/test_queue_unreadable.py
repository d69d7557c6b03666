"""The queue goes on past what does not open any more."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.test_queue import ANY, RESULT_ITEM, Plant


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with Plant(tmp_path / "spool.db") as plant:
        yield plant


async def spoil(plant: Plant, sql: str) -> None:
    def unit(db: sqlite3.Connection) -> None:
        db.execute(sql)

    await plant.engine.write(unit)


async def test_a_batch_that_does_not_open_is_parked_and_the_next_one_is_sent(plant: Plant):
    await plant.send("result", RESULT_ITEM)
    await plant.sealed()
    await spoil(plant, "UPDATE batch SET body = zeroblob(99)")
    assert await plant.queue.next(ANY) is None
    await plant.send("result", RESULT_ITEM)
    assert (await plant.sealed()).rows == 1
    assert await plant.queue.parked() == 1
    assert await plant.outcomes() == [(1, "parked"), (2, "sealed")]


async def test_a_message_that_does_not_open_ends_and_the_others_leave(plant: Plant):
    for _ in range(2):
        await plant.send("result", RESULT_ITEM)
    await spoil(plant, "UPDATE message SET body = zeroblob(99) WHERE id = 1")
    batch = await plant.sealed()
    await plant.queue.delivered(batch.sha256)
    assert await plant.outcomes() == [(1, "dead-lettered"), (2, "delivered")]
    assert await plant.queue.seal(ANY) is None, "nothing is tried for ever"


async def test_a_queue_of_which_nothing_opens_rests(plant: Plant):
    await plant.send("result", RESULT_ITEM)
    await spoil(plant, "UPDATE message SET key_id = 77")
    await plant.clock.step(61)
    assert await plant.queue.seal(ANY) == 0
    assert await plant.queue.seal(ANY) is None
    assert await plant.outcomes() == [(1, "dead-lettered")]
