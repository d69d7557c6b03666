"""What leaves the queue after an outage, after a refusal, and after an operator's decision."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.spool import store
from tests.app.test_queue import ANY, RESULT_ITEM, Plant
from tests.support.batch import document
from tests.support.desk import alert_item
from tests.support.spooled import OPEN


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with Plant(tmp_path / "spool.db") as opened:
        yield opened


async def test_after_an_outage_live_results_leave_beside_the_backlog_in_its_share(plant: Plant):
    for _ in range(30):
        await plant.send("result", RESULT_ITEM)
    await plant.clock.step(3_600)
    ages: list[float] = []
    for _ in range(20):  # a line that carries one batch of three in the time of three arrivals
        for _ in range(3):
            await plant.send("result", RESULT_ITEM)
        await plant.clock.step(1)
        before = {seq for seq, outcome in await plant.outcomes() if outcome == "queued"}
        batch = await plant.sealed(after_s=0)
        after = {seq for seq, outcome in await plant.outcomes() if outcome == "queued"}
        ages += sorted(before - after)
        await plant.queue.delivered(batch.sha256)
    backlog = sum(seq <= 30 for seq in ages)
    assert backlog / len(ages) == pytest.approx(0.3, abs=0.06)
    first_live = [seq for seq in ages if seq > 30]
    assert first_live == sorted(first_live), "in the order in which they came"


async def test_only_one_batch_of_a_class_is_sealed_ahead_of_a_line_that_is_down(plant: Plant):
    for _ in range(12):
        await plant.send("result", RESULT_ITEM)
    assert await plant.queue.seal(ANY) == 0
    assert await plant.queue.seal(ANY) is None
    assert await plant.count("SELECT count(*) FROM batch") == 1


async def test_the_halves_of_a_refused_batch_are_what_it_was_and_no_resends(plant: Plant):
    for _ in range(3):
        await plant.send("result", RESULT_ITEM)
    whole = await plant.sealed(after_s=0)
    assert await plant.queue.split(whole.sha256)
    rows = []
    while (half := await plant.queue.next(ANY)) is not None:
        assert not half.resent
        assert document(half.body)["contract"] == OPEN.sha256
        rows.append(half.rows)
        await plant.queue.delivered(half.sha256)
    assert rows == [1, 2]
    assert await plant.outcomes() == [(1, "delivered"), (2, "delivered"), (3, "delivered")]
    assert not await plant.queue.split(whole.sha256)


async def test_a_batch_of_one_message_is_not_halved(plant: Plant):
    await plant.send("alert", alert_item())
    batch = await plant.sealed()
    assert not await plant.queue.split(batch.sha256)
    assert await plant.outcomes() == [(1, "sealed")]


async def test_a_parked_batch_is_sent_again_as_the_same_bytes_and_marked(plant: Plant):
    await plant.send("result", RESULT_ITEM)
    batch = await plant.sealed()
    await plant.queue.park(batch.sha256, "422")
    await plant.engine.write(store.unpark, batch.sha256)
    assert await plant.queue.next(ANY) == replace(batch, resent=True)
    await plant.queue.delivered(batch.sha256)
    assert await plant.outcomes() == [(1, "delivered")]


async def test_a_sweep_holds_what_is_parked_within_its_time(plant: Plant):
    await plant.send("alert", alert_item())
    batch = await plant.sealed()
    await plant.queue.park(batch.sha256, "422")
    await plant.clock.step(719 * 3600)
    await plant.queue.sweep()
    assert await plant.outcomes() == [(1, "parked")]
    await plant.clock.step(3600)
    await plant.queue.sweep()
    assert await plant.outcomes() == [(1, "expired")]
