"""Must hold: retention runs as housekeeping, with proof in the audit log."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.app.offline import STATE_MIGRATIONS
from gateway.app.retention import Retention, Told
from gateway.app.voices import Voices
from gateway.intake.wire import read
from gateway.model.contract import AlertRule, Contract, ContractInForce, LogRule, MetricRule
from gateway.model.delivery import Delivery
from gateway.store.sqlite import Engine
from tests.app.test_queue import RESULT_ITEM, Plant
from tests.support.desk import alert_item, envelope, log_item

HOUR_S = 3_600
BRIEF = ContractInForce(
    Contract(
        version=1,
        name="brief",
        alert=AlertRule(kept_after_delivery_h=1),
        metric=MetricRule(kept_h=2),
        log=LogRule(kept_h=3, leaves=False),
    ),
    "1" * 64,
)
LASTING = ContractInForce(
    Contract(
        version=1,
        name="lasting",
        alert=AlertRule(kept_after_delivery_h=48),
        log=LogRule(kept_h=9, leaves=False),
    ),
    "2" * 64,
)
METRIC = {"mono_ms": 5, "name": "power", "value": 4.5}


class House:
    """A queue, its retention, and the audit log of both."""

    def __init__(self, plant: Plant, state: Engine) -> None:
        self.plant = plant
        self.state = state
        self.retention = self.again()

    def again(self) -> Retention:
        """A new process: it has not seen what went before."""
        clock = self.plant.clock
        self.retention = Retention(
            self.plant.queue.sweep, self.plant.engine, self.state, clock, Voices(clock)
        )
        return self.retention

    async def after(self, hours: float) -> int:
        await self.plant.clock.step(hours * HOUR_S)
        return await self.retention.sweep()

    async def entries(self, subject: str | None = None) -> list[dict[str, Any]]:
        async with self.state.reader() as db:
            rows = await db.execute_fetchall(
                "SELECT subject, detail FROM audit WHERE action = 'retention' ORDER BY id"
            )
        found = [{"subject": row[0]} | msgspec.json.decode(row[1]) for row in rows]
        return [one for one in found if subject in {None, one["subject"]}]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    plant = Plant(tmp_path / "spool.db")
    plant.contracts = [BRIEF, LASTING]
    async with plant, Engine(tmp_path / "state.db", STATE_MIGRATIONS) as state:
        yield House(plant, state)


async def test_retention_runs_as_housekeeping_with_proof_in_the_audit_log(house: House):
    plant = house.plant
    for _ in range(3):
        await plant.send("log", log_item(), contract=BRIEF)
    await plant.send("log", log_item(), contract=LASTING)
    await plant.send("metric", METRIC, contract=BRIEF)
    begun = plant.clock.site()
    assert await house.after(2.5) == 1
    assert await house.after(1) == 3
    assert await house.after(6) == 1
    await house.retention.prove()
    said = [one for one in await house.entries() if one["subject"] != "all"]
    assert [(one["subject"], one["contract"], one["messages"]) for one in said] == [
        ("log", BRIEF.sha256, 3),
        ("log", LASTING.sha256, 1),
        ("metric", BRIEF.sha256, 1),
    ]
    assert {one["until_ms"] for one in said} == {begun + int(9.5 * HOUR_S * 1000)}
    assert await plant.count("SELECT count(*) FROM message") == 0
    (daily,) = await house.entries("all")
    assert (daily["left"], daily["in_batches"]) == (0, 0)


async def test_what_went_is_said_once(house: House):
    await house.plant.send("metric", METRIC, contract=BRIEF)
    await house.after(3)
    for _ in range(3):
        await house.retention.prove()
    assert len(await house.entries("metric")) == 1


async def test_a_process_that_dies_before_its_entry_leaves_nothing_unsaid(house: House):
    await house.plant.send("metric", METRIC, contract=BRIEF)
    await house.after(3)
    house.again()  # it was killed between the deletion and the entry
    await house.retention.prove()
    (said,) = await house.entries("metric")
    assert (said["messages"], said["contract"]) == (1, "")
    await house.plant.send("metric", METRIC, contract=BRIEF)
    await house.after(3)
    await house.retention.prove()
    last = (await house.entries("metric"))[-1]
    assert (last["messages"], last["contract"], last["total"]) == (1, BRIEF.sha256, 2)


async def test_an_entry_that_could_not_be_stored_is_made_the_next_time(house: House):
    await house.plant.send("metric", METRIC, contract=BRIEF)
    await house.after(3)
    closed = Engine(house.state.path, STATE_MIGRATIONS)  # never opened: every write fails
    house.retention.state = closed
    with pytest.raises(RuntimeError):
        await house.retention.prove()
    house.retention.state = house.state
    await house.retention.prove()
    (said,) = await house.entries("metric")
    assert (said["messages"], said["contract"]) == (1, BRIEF.sha256)


async def test_no_proof_is_made_before_the_first_sweep(house: House):
    """After days without power, the first entry would say how much is left."""
    await house.plant.send("metric", METRIC, contract=BRIEF)
    running = asyncio.create_task(house.retention.run())
    await house.plant.clock.step(24 * HOUR_S)
    assert await house.entries() == []
    await house.retention.sweep()
    await house.plant.clock.step(1)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    (daily,) = await house.entries("all")
    assert daily["left"] == 0


async def test_a_stop_enters_what_went(house: House):
    await house.plant.send("metric", METRIC, contract=BRIEF)
    running = asyncio.create_task(house.retention.run())
    await house.plant.clock.step(3 * HOUR_S)
    await house.retention.sweep()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert len(await house.entries("metric")) == 1


async def test_messages_of_a_sealed_batch_outlive_their_time_and_the_proof_says_so(house: House):
    plant = house.plant
    plant.contracts = [
        ContractInForce(Contract(version=1, name="x", log=LogRule(kept_h=1)), "3" * 64)
    ]
    await plant.restart()
    house.again()
    await plant.send("log", log_item(), contract=plant.contracts[0])
    await plant.sealed()
    assert await house.after(2) == 0
    await house.retention.prove()
    (daily,) = await house.entries("all")
    assert (daily["left"], daily["in_batches"]) == (0, 1)


@pytest.mark.parametrize(("contract", "hours"), [(BRIEF, 1), (LASTING, 48)])
async def test_an_alert_stays_on_the_page_as_long_as_its_own_contract_says(
    contract: ContractInForce, hours: int, house: House
):
    plant = house.plant
    await plant.send("alert", alert_item(), contract=contract)
    batch = await plant.sealed()
    await plant.queue.delivered(batch.sha256)
    await house.after(hours - 0.1)
    assert await plant.count("SELECT count(*) FROM alert") == 1
    await house.after(0.1)
    assert await plant.count("SELECT count(*) FROM alert") == 0
    for _ in range(2):
        await house.retention.prove()
    (said,) = await house.entries("shown-alert")
    assert said["messages"] == 1


async def test_no_dead_letter_outlives_its_time(house: House):
    plant = house.plant
    payload = msgspec.json.encode(envelope(1) | {"type": "result", "items": [RESULT_ITEM, {}]})
    delivery = Delivery("line/cam-01/up/data", payload, False, "", (1, 1))  # noqa: FBT003
    found: Any = read(delivery, BRIEF)
    await plant.queue.admit([(found, payload)])
    await house.after(719)
    assert await plant.count("SELECT count(*) FROM dead_letter") == 1
    await house.after(2)
    assert await plant.count("SELECT count(*) FROM dead_letter") == 0
    await house.retention.prove()
    (said,) = await house.entries("dead-letter")
    assert said["messages"] == 1


async def test_what_is_rolled_back_is_not_told(house: House):
    """Told before the commit, a deletion that a full disk refused would stand in the log."""
    await house.plant.send("metric", METRIC, contract=BRIEF)
    await house.plant.clock.step(3 * HOUR_S)
    told = Told()
    house.plant.queue.spool = Engine(house.plant.path, STATE_MIGRATIONS)
    with pytest.raises(RuntimeError):
        await house.plant.queue.sweep(told)
    assert told == Told()
