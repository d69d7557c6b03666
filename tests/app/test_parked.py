"""Parked batches in an operator's hands, over a real socket and a real queue."""

import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app.control import SOCKET_NAME, Routes, serving
from gateway.app.offline import STATE_MIGRATIONS
from gateway.app.parked import OLD_SCHEMA, Parking, resumed
from gateway.health import audit
from gateway.model.time import SiteTime
from gateway.store.sqlite import Engine
from gateway.uplink.trip import Refusals
from tests.app.test_queue import ANY, RESULT_ITEM, Plant
from tests.support.desk import alert_item

NOTHING: Any = None


@dataclass
class StandInUplink:
    """What an operator's decision reaches of the uplink."""

    refusals: Refusals = field(default_factory=lambda: Refusals(why="13 refusals in a row"))
    told: int = 0

    def resume(self) -> None:
        self.refusals = Refusals()

    async def tell_parked(self) -> None:
        self.told += 1


@dataclass
class Desk:
    """An operator at the control socket of a plant."""

    plant: Plant
    state: Engine
    uplink: StandInUplink
    session: aiohttp.ClientSession

    async def park(self, kind: str = "result", item: dict[str, Any] = RESULT_ITEM) -> str:
        await self.plant.send(kind, item)
        batch = await self.plant.sealed()
        await self.plant.queue.park(batch.sha256, "422: document")
        return batch.sha256

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(path) as answer:
            return answer.status, json.loads(await answer.read())

    async def post(self, path: str) -> tuple[int, Any]:
        async with self.session.post(path) as answer:
            return answer.status, json.loads(await answer.read())

    async def audited(self) -> list[tuple[str, str, str]]:
        async with self.state.reader() as db:
            found = await audit.entries(db, after=0, most=99)
        return [(one.actor, one.action, one.subject) for one in found]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    connector = aiohttp.UnixConnector(str(tmp_path / SOCKET_NAME))
    uplink: Any = StandInUplink()
    async with (
        Plant(tmp_path / "spool.db") as plant,
        Engine(tmp_path / "state.db", STATE_MIGRATIONS) as state,
    ):
        parking = Parking(plant.queue, state, plant.engine.reader, uplink)
        plant.queue.noted = parking.noted
        routes = Routes(NOTHING, NOTHING, plant.engine.reader, parking.routes())
        async with (
            serving(routes, tmp_path),
            aiohttp.ClientSession("http://localhost", connector=connector) as session,
        ):
            yield Desk(plant, state, uplink, session)


async def test_what_is_parked_is_listed_with_its_reason_and_its_bound(desk: Desk):
    assert await desk.get("/v1/parked") == (
        200,
        {"batches": [], "bytes": 0, "bytes_max": 67_108_864, "tripped": "13 refusals in a row"},
    )
    sha256 = await desk.park()
    status, found = await desk.get("/v1/parked")
    assert status == 200
    (one,) = found["batches"]
    assert (one["batch"], one["class"], one["rows"], one["reason"]) == (
        sha256,
        "result",
        1,
        "422: document",
    )
    assert found["bytes"] == one["body_bytes"] + one["message_bytes"] > 0


async def test_one_batch_is_shown_with_its_messages_and_its_records(desk: Desk):
    sha256 = await desk.park("alert", alert_item())
    status, found = await desk.get(f"/v1/parked/{sha256[:8]}")
    assert status == 200
    assert found["batch"] == sha256
    assert found["messages"] == [
        {"device": "cam-01", "epoch": found["messages"][0]["epoch"], "stream": "alert",
         "first": 1, "last": 1}
    ]  # fmt: skip
    (record,) = found["records"]
    assert record["kind"] == alert_item()["kind"]
    assert record["score"] == alert_item()["score"]


async def test_a_batch_that_is_tried_again_waits_with_the_same_bytes_and_is_one_outcome(desk: Desk):
    sha256 = await desk.park()
    status, found = await desk.post(f"/v1/parked/{sha256}/retry")
    assert (status, found["outcome"]) == (200, "sealed")
    assert await desk.plant.outcomes() == [(1, "sealed")]
    batch = await desk.plant.queue.next(ANY)
    assert batch is not None
    assert (batch.sha256, batch.resent) == (sha256, True)
    assert await desk.post(f"/v1/parked/{sha256}/retry") == (
        404,
        {"error": f"no parked batch begins with {sha256}: 'spool parked list' names them"},
    )
    assert desk.uplink.told == 1


async def test_a_dropped_batch_ends_as_shed_and_is_counted_against_its_device(desk: Desk):
    sha256 = await desk.park()
    status, found = await desk.post(f"/v1/parked/{sha256}/drop")
    assert (status, found["outcome"], found["rows"]) == (200, "shed", 1)
    assert await desk.plant.outcomes() == [(1, "shed")]
    assert (
        await desk.plant.count("SELECT messages FROM dropped WHERE reason = 'shed:operator'") == 1
    )
    assert await desk.plant.count("SELECT count(*) FROM batch") == 0


async def test_the_bytes_of_a_batch_are_handed_out_as_they_were_sent(desk: Desk):
    await desk.plant.send("result", RESULT_ITEM)
    batch = await desk.plant.sealed()
    await desk.plant.queue.park(batch.sha256, "413")
    async with desk.session.post(f"/v1/parked/{batch.sha256[:6]}/export") as answer:
        assert (answer.status, answer.content_type) == (200, "application/octet-stream")
        assert await answer.read() == batch.body
    assert await desk.plant.outcomes() == [(1, "parked")]


async def test_whoever_parks_exports_retries_drops_or_resumes_stands_in_the_audit_log(desk: Desk):
    first, second = await desk.park(), await desk.park()
    await desk.get(f"/v1/parked/{first}")  # to look is no deed
    async with desk.session.post(f"/v1/parked/{first}/export") as answer:
        await answer.read()
    await desk.post(f"/v1/parked/{first}/retry")
    await desk.post(f"/v1/parked/{second}/drop")
    await desk.post("/v1/parked/resume")
    assert await desk.audited() == [
        ("gateway", "batch-parked", first),
        ("gateway", "batch-parked", second),
        ("operator", "batch-exported", first),
        ("operator", "batch-retried", first),
        ("operator", "batch-dropped", second),
        ("operator", "uplink-resumed", "uplink"),
    ]


async def test_an_operator_lets_parking_go_on(desk: Desk):
    assert await desk.post("/v1/parked/resume") == (
        200,
        {"resumed": True, "tripped": "13 refusals in a row"},
    )
    assert not desk.uplink.refusals.tripped


async def test_what_was_parked_before_parking_was_resumed_does_not_count_after_a_restart(
    desk: Desk,
):
    await desk.park()
    queue, since = desk.plant.queue, SiteTime(0)
    assert len(await queue.parked_since(since, 9)) == 1
    await desk.post("/v1/parked/resume")
    await desk.plant.restart()
    queue = desk.plant.queue
    assert len(await queue.parked_since(since, 9)) == 1
    queue.resumed = await resumed(desk.state)  # as a start does
    assert await queue.parked_since(since, 9) == []


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("abc", 422, "give 4 to 64 of 0-9 and a-f"),
        ("ABCDEF", 422, "give 4 to 64 of 0-9 and a-f"),
        ("%27%20OR%201=1", 422, "give 4 to 64"),
        ("0123abcd", 404, "no parked batch begins with 0123abcd"),
    ],
)
async def test_a_name_that_is_none_is_refused_in_words(desk: Desk, name, status, words):
    await desk.park()
    for method, path in (("get", name), ("post", f"{name}/retry"), ("post", f"{name}/drop")):
        found, said = await getattr(desk, method)(f"/v1/parked/{name if path == name else path}")
        assert found == status
        assert words in said["error"]
    assert await desk.plant.outcomes() == [(1, "parked")]


def parked_by_the_first_schema(db: sqlite3.Connection, sha256: str) -> None:
    db.execute(
        "INSERT INTO batch (sha256, class, rows, items, sealed_ms, parked, body) "
        "VALUES (?, 'result', 1, 1, 5, 'no', x'00')",
        (sha256,),
    )


async def test_a_beginning_that_fits_two_batches_decides_about_none(desk: Desk):
    for sha256 in ("abcd" + "0" * 60, "abcd" + "1" * 60):
        await desk.plant.engine.write(parked_by_the_first_schema, sha256)
    status, said = await desk.post("/v1/parked/abcd/drop")
    assert (status, said["error"]) == (
        422,
        "2 parked batches begin with abcd: give more of the digest",
    )
    assert await desk.post("/v1/parked/abcd0/retry") == (409, {"error": OLD_SCHEMA})
    assert await desk.plant.count("SELECT count(*) FROM batch") == 2
