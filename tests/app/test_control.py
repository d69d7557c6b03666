"""The control socket: what commands get, and what two of them at once get."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app.control import SOCKET_NAME, Routes, serving
from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.model.time import SiteTime
from gateway.spool import store
from gateway.store.sqlite import Engine
from tests.support.spooled import CONTRACTS, message

LINES = 50_000
"""More than the socket's buffers hold, so that a reader who stops holds its answer open."""
NOTHING: Any = None


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Engine]:
    async with Engine(tmp_path / "spool.db", SPOOL_MIGRATIONS) as engine:
        yield engine


@pytest.fixture
async def client(tmp_path: Path, spool: Engine) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.UnixConnector(str(tmp_path / SOCKET_NAME))
    routes = Routes(NOTHING, NOTHING, spool.reader)
    async with (
        serving(routes, tmp_path),
        aiohttp.ClientSession("http://localhost", connector=connector) as session,
    ):
        yield session


async def fill(spool: Engine) -> None:
    await spool.write(store.enqueue, [message(1)], SiteTime(5), CONTRACTS)
    await spool.write(
        lambda db: db.execute(
            "INSERT INTO ended (device, epoch, stream, class, first_seq, last_seq, outcome, "
            "ended_ms) VALUES ('cam-01', 7, 'data', 'result', 2, ?, 'delivered', 5)",
            (LINES,),
        )
    )


async def lines(answer: aiohttp.ClientResponse) -> int:
    return (await answer.read()).count(b"\n")


async def test_two_traces_at_once_each_see_a_snapshot_of_their_own(client, spool: Engine):
    await fill(spool)
    async with client.get("/v1/trace") as slow:
        assert slow.status == 200  # and is not read: it stays open
        async with client.get("/v1/trace") as quick:
            assert (quick.status, await lines(quick)) == (200, LINES)
        assert await lines(slow) == LINES


async def test_a_trace_that_is_given_up_leaves_nothing_open(client, spool: Engine):
    await fill(spool)
    for _ in range(3):
        async with client.get("/v1/trace") as answer:
            await answer.content.readline()
            answer.close()
    async with client.get("/v1/trace") as answer:
        assert await lines(answer) == LINES


async def test_a_line_of_the_trace_names_its_message_and_where_it_is(client, spool: Engine):
    await spool.write(store.enqueue, [message(1)], SiteTime(5), CONTRACTS)
    async with client.get("/v1/trace") as answer:
        assert answer.content_type == "application/x-ndjson"
        assert await answer.text() == (
            '{"device":"cam-01","epoch":7,"stream":"data","seq":1,"class":"result",'
            '"outcome":"queued","batch":null}\n'
        )


async def test_an_empty_trace_is_no_line(client):
    async with client.get("/v1/trace") as answer:
        assert (answer.status, await answer.text()) == (200, "")


async def test_only_the_owner_may_open_the_socket(client, tmp_path: Path):
    assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"id":1}', b"[" * 60_000])
async def test_a_wish_that_is_not_of_the_form_is_unusable(client, body: bytes):
    async with client.post("/v1/devices", data=body) as answer:
        assert answer.status == 422
        assert (await answer.json())["error"]
