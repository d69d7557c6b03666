"""The durable queue on real files: what is admitted, sealed, sent, ended, and in what order."""

import asyncio
import itertools
import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast

import aiosqlite
import pytest

from gateway.app.message import Queue
from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.config import Config, parse
from gateway.health.register import Register
from gateway.intake.admitted import Arrival
from gateway.intake.wire import Advisory, read
from gateway.model.contract import Contract, ContractInForce, ResultRule
from gateway.model.delivery import Delivery
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool import store, trace
from gateway.store.sqlite import Engine
from gateway.uplink.batch import Batch
from gateway.uplink.turn import Turn
from tests.simulators.clock import SteppedClock
from tests.support.batch import document
from tests.support.desk import alert_item, envelope, log_item
from tests.support.spooled import CIPHER, CLOSED, OPEN, item, message

ANY = Turn()
ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
RESULT_ITEM = {"mono_ms": 5, "model": "m@1", "label": "ok", "score": 0.5, "latency_ms": 4.0}
TOML = """
[site]
name = "plant-a"
addresses = ["127.0.0.1"]
state_dir = "state"
runtime_dir = "/run/x"
profiles_dir = "profiles"
[spool]
trace_rows_max = 1000
alerts_shown_max = 10
[uplink]
batch_max_messages = 3
"""
CONFIG: Config = parse(TOML.encode(), "gateway.toml", Path("/etc/x"))


class Plant:
    """A queue over a spool file. ``points`` logs the named places that it passed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = SteppedClock()
        self.points: list[str] = []
        self.contracts = [OPEN, CLOSED]
        self._stack = AsyncExitStack()
        self._seq = itertools.count(1)
        self._nonces = itertools.count(1)
        self.register = Register()

    async def __aenter__(self) -> Self:
        enter = self._stack.enter_async_context
        self.engine = await enter(Engine(self.path, SPOOL_MIGRATIONS))
        self.reader = await enter(self.engine.reader())
        self.queue = await self.queue_on(self.reader)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def queue_on(self, reader: aiosqlite.Connection) -> Queue:
        return Queue(
            config=CONFIG,
            clock=self.clock,
            spool=self.engine,
            reader=reader,
            contracts=await self.engine.write(store.remember, self.contracts),
            cipher=CIPHER,
            entropy=lambda size: next(self._nonces).to_bytes(size, "big"),
            point=self.points.append,
            changed=lambda: None,
            count=self.register.count,
        )

    async def restart(self) -> None:
        """Close everything and start again, with the contracts that are in force by now."""
        await self._stack.aclose()
        await self.__aenter__()

    async def send(
        self, kind: str, *items: dict[str, Any], contract: ContractInForce = OPEN
    ) -> None:
        """Admit one message of the kind, numbered onwards, as a device would have sent it."""
        head = {} if kind == "alert" else {"type": kind}
        payload = json.dumps(envelope(next(self._seq)) | head | {"items": items}).encode()
        channel = "alert" if kind == "alert" else "data"
        delivery = Delivery(f"line/cam-01/up/{channel}", payload, False, "", (1, 1))  # noqa: FBT003
        arrival: Arrival | Advisory = read(delivery, contract)
        assert not isinstance(arrival, Advisory)
        result = await self.queue.admit([(arrival, payload)])
        assert result.stored == 1, arrival

    async def sealed(self, after_s: float = 61) -> Batch:
        """Wait until a batch is due, seal it and return what is to be sent next."""
        await self.clock.step(after_s)
        assert await self.queue.seal(ANY) == 0
        batch = await self.queue.next(ANY)
        assert batch is not None
        return batch

    async def outcomes(self) -> list[tuple[int, str]]:
        async with self.engine.reader() as db:
            return sorted([(line.seq, line.outcome) async for line in trace.trace(db)])

    async def count(self, sql: str) -> int:
        async with self.engine.reader() as db:
            return int(next(iter(await db.execute_fetchall(sql)))[0])


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with Plant(tmp_path / "spool.db") as opened:
        yield opened


async def test_an_alert_is_due_after_a_fifth_of_a_second_and_ends_as_delivered(plant: Plant):
    await plant.send("alert", alert_item())
    assert await plant.queue.seal(ANY) == pytest.approx(0.2)
    assert await plant.queue.next(ANY) is None
    batch = await plant.sealed(after_s=0.2)
    assert (batch.message_class, batch.rows, batch.items) == (ALERT, 1, 1)
    assert await plant.outcomes() == [(1, "sealed")]
    await plant.queue.delivered(batch.sha256)
    assert await plant.outcomes() == [(1, "delivered")]
    assert await plant.queue.next(ANY) is None
    assert await plant.queue.seal(ANY) is None
    assert plant.points == ["after-seal", "before-send", "after-answer", "after-delivered"]


async def test_results_wait_for_company_until_a_batch_is_full(plant: Plant):
    for _ in range(2):
        await plant.send("result", RESULT_ITEM)
    assert await plant.queue.seal(ANY) == pytest.approx(CONFIG.uplink.batch_max_age_s)
    await plant.send("result", RESULT_ITEM, RESULT_ITEM)
    batch = await plant.sealed(after_s=0)
    assert (batch.message_class, batch.rows, batch.items) == (RESULT, 3, 4)


async def test_a_sealed_batch_is_the_same_bytes_after_a_restart(plant: Plant):
    await plant.send("result", RESULT_ITEM)
    before = await plant.sealed()
    assert not before.resent
    await plant.restart()
    after = await plant.queue.next(ANY)
    assert after == replace(before, resent=True)  # who stopped it may have sent it


async def test_a_message_whose_contract_changed_leaves_under_its_old_contract(plant: Plant):
    old = ContractInForce(
        Contract(version=1, name="o", result=ResultRule(rows_leave=True)), "1" * 64
    )
    new = ContractInForce(Contract(version=1, name="o"), "2" * 64)
    plant.contracts = [old]
    await plant.restart()
    await plant.send("result", RESULT_ITEM, contract=old)
    plant.contracts = [new]
    await plant.restart()
    await plant.send("result", RESULT_ITEM, contract=new)  # of which no row leaves
    batch = await plant.sealed()
    assert (document(batch.body)["contract"], batch.rows) == (old.sha256, 1)
    await plant.queue.delivered(batch.sha256)
    assert await plant.queue.seal(ANY) is None
    assert await plant.outcomes() == [(1, "delivered"), (2, "queued")]


async def test_under_a_contract_that_lets_nothing_leave_nothing_is_ever_sealed(plant: Plant):
    for kind, one in (("alert", alert_item()), ("result", RESULT_ITEM), ("log", log_item())):
        await plant.send(kind, one, contract=CLOSED)
    await plant.clock.step(3_000)
    assert await plant.queue.seal(ANY) is None
    assert await plant.queue.next(ANY) is None
    await plant.clock.step(721 * 3600)
    assert await plant.queue.sweep() == 3
    assert await plant.outcomes() == [(1, "expired"), (2, "expired"), (3, "expired")]


async def test_a_metric_never_leaves_as_a_row(plant: Plant):
    await plant.send("metric", {"mono_ms": 5, "name": "power", "value": 4.5})
    await plant.clock.step(100)
    assert await plant.queue.seal(ANY) is None


async def test_what_cannot_leave_is_withheld_and_does_not_hold_back_its_companions(plant: Plant):
    """Its number is none that a row can carry; no parser lets it in, an older file may hold it."""
    odd = message(500, RESULT, item(RESULT, fields={"share": math.nan}))
    await plant.engine.write(
        store.enqueue, [odd], plant.clock.site(), plant.queue.contracts, CIPHER
    )
    await plant.send("result", RESULT_ITEM)
    batch = await plant.sealed()
    assert (batch.rows, batch.items) == (1, 1)
    await plant.queue.delivered(batch.sha256)
    assert await plant.queue.seal(ANY) is None
    assert await plant.outcomes() == [(1, "delivered"), (500, "queued")]
    await plant.clock.step(25 * 3600)
    await plant.queue.sweep()
    assert await plant.outcomes() == [(1, "delivered"), (500, "expired")]


async def test_a_batch_of_which_nothing_can_leave_is_withheld_whole(plant: Plant):
    odd = message(500, RESULT, item(RESULT, fields={"share": math.inf}))
    await plant.engine.write(
        store.enqueue, [odd], plant.clock.site(), plant.queue.contracts, CIPHER
    )
    await plant.clock.step(61)
    assert await plant.queue.seal(ANY) == 0
    assert await plant.queue.next(ANY) is None
    assert await plant.queue.seal(ANY) is None


async def test_two_equal_batches_of_logs_stay_two(plant: Plant):
    """They leave as counts: without a nonce the second would be taken for the first."""
    names = []
    for _ in range(2):
        await plant.send("log", log_item("out of paper"))
        batch = await plant.sealed()
        names.append(batch.sha256)
        await plant.queue.delivered(batch.sha256)
    assert len(set(names)) == 2
    assert await plant.outcomes() == [(1, "delivered"), (2, "delivered")]


async def test_a_parked_batch_is_kept_and_passed_over(plant: Plant):
    await plant.send("result", RESULT_ITEM)
    parked = await plant.sealed()
    await plant.queue.park(parked.sha256, "schema error")
    await plant.send("result", RESULT_ITEM)
    assert (await plant.sealed()).sha256 != parked.sha256
    assert await plant.queue.parked() == 1
    assert await plant.outcomes() == [(1, "parked"), (2, "sealed")]


async def test_an_alert_is_sent_before_results_that_were_sealed_earlier(plant: Plant):
    await plant.send("result", RESULT_ITEM)
    await plant.sealed()
    await plant.send("alert", alert_item())
    assert (await plant.sealed(after_s=1)).message_class is ALERT


async def test_steady_alerts_do_not_starve_results_that_are_long_overdue(plant: Plant):
    await plant.send("result", RESULT_ITEM)
    await plant.send("alert", alert_item())
    assert (await plant.sealed(after_s=200)).message_class is ALERT
    await plant.send("alert", alert_item())  # there is always one more alert
    await plant.clock.step(1)
    assert await plant.queue.seal(ANY) == 0
    assert await plant.count("SELECT count(*) FROM batch WHERE class = 'result'") == 1


async def test_an_overdue_batch_is_sent_between_two_batches_of_alerts(plant: Plant):
    await plant.send("result", RESULT_ITEM)
    await plant.sealed(after_s=61)
    sent = []
    for _ in range(3):
        await plant.send("alert", alert_item())
        await plant.clock.step(20)
        await plant.queue.seal(ANY)  # which may find that one of alerts is sealed already
        batch = await plant.queue.next(ANY)
        assert batch is not None
        sent.append(batch.message_class.value)
        await plant.queue.delivered(batch.sha256)
    assert sent == ["alert", "result", "alert"]


async def test_an_alert_stays_on_the_page_for_a_day_by_default(
    plant: Plant,
):
    await plant.send("alert", alert_item())
    batch = await plant.sealed()
    await plant.queue.delivered(batch.sha256)
    await plant.clock.step(24 * 3600 - 1)
    await plant.queue.sweep()
    assert await plant.count("SELECT count(*) FROM alert") == 1
    await plant.clock.step(1)
    await plant.queue.sweep()
    assert await plant.count("SELECT count(*) FROM alert") == 0


async def test_a_sweep_holds_trace_and_alerts_within_the_configured_bounds(plant: Plant):
    for seq in range(1_005):
        await plant.engine.write(store.bury, [(message(2 * seq + 2).key, "contract")], SiteTime(5))
    await plant.queue.sweep()
    assert await plant.count("SELECT count(*) FROM ended") == 1_000


class Interrupted:
    """A reader between whose look and answer something else happens, once."""

    def __init__(self, reader: aiosqlite.Connection) -> None:
        self._reader = reader
        self.meanwhile: Callable[[], Any] | None = None

    async def execute_fetchall(self, sql: str, values: Any = ()) -> Any:
        rows = await self._reader.execute_fetchall(sql, values)
        if self.meanwhile is not None and "'log'" in repr((sql, values)):
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return rows


async def rings(plant: Plant) -> bool:
    """Say whether whoever waits at the queue is woken now."""
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(plant.queue.wait(100))
        for _ in range(5):
            await asyncio.sleep(0)
        woken = waiting.done()
        waiting.cancel()
    return woken


async def test_the_uplink_is_woken_by_the_first_message_by_alerts_and_by_a_full_batch(plant: Plant):
    assert await plant.queue.seal(ANY) is None
    await plant.send("result", RESULT_ITEM)
    assert await rings(plant)  # it was idle, and must learn when this one is due
    assert await plant.queue.seal(ANY) is not None
    await plant.send("result", RESULT_ITEM)
    assert not await rings(plant)
    await plant.send("alert", alert_item())
    assert await rings(plant)
    await plant.send("result", RESULT_ITEM)
    assert await rings(plant)


async def test_a_message_that_comes_while_the_queue_is_looked_at_is_not_overlooked(plant: Plant):
    """The uplink would sleep for a minute beside it."""
    await plant.send("result", RESULT_ITEM)
    assert await plant.queue.seal(ANY) is not None  # so it is not idle
    batch = await plant.sealed()
    await plant.queue.delivered(batch.sha256)
    interrupted = Interrupted(plant.reader)
    plant.queue.reader = cast("aiosqlite.Connection", interrupted)
    interrupted.meanwhile = lambda: plant.send("result", RESULT_ITEM)
    assert await plant.queue.seal(ANY) is None
    assert await rings(plant)
