"""The control socket: what commands get, and what two of them at once get."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app.control import SOCKET_NAME, Routes, serving
from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.model.errors import OperatorFaultError
from gateway.model.time import SiteTime
from gateway.spool import store
from gateway.store.sqlite import Engine
from tests.support.spooled import CIPHER, CONTRACTS, message

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
    await spool.write(store.enqueue, [message(1)], SiteTime(5), CONTRACTS, CIPHER)
    await spool.write(
        lambda db: db.execute(
            "INSERT INTO ended (device, epoch, stream, class, first_seq, last_seq, outcome, "
            "ended_ms) VALUES ('cam-01', 7, 'data', 'result', 2, ?, 'delivered', 5)",
            (LINES,),
        )
    )


async def lines(answer: aiohttp.ClientResponse) -> int:
    return (await answer.read()).count(b"\n")


async def test_the_socket_goes_with_its_gateway_and_a_killed_one_is_no_hindrance(tmp_path: Path):
    path = tmp_path / SOCKET_NAME
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert path.exists()
    async with serving(Routes(NOTHING, NOTHING, NOTHING), tmp_path):
        assert path.exists()
    assert not path.exists()


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
    await spool.write(store.enqueue, [message(1)], SiteTime(5), CONTRACTS, CIPHER)
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


class Watched:
    """The spool's readers, and how many of them are open."""

    def __init__(self, spool: Engine) -> None:
        self._spool = spool
        self.open = 0
        self.closed = asyncio.Event()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Any]:
        async with self._spool.reader() as db:
            self.open += 1
            try:
                yield db
            finally:
                self.open -= 1
                self.closed.set()


class Faulty:
    """A site and a fleet in which something is wrong."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def status(self) -> Any:
        raise self.error


@asynccontextmanager
async def asking(routes: Routes, folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.UnixConnector(str(folder / SOCKET_NAME))
    async with (
        serving(routes, folder),
        aiohttp.ClientSession("http://localhost", connector=connector) as session,
    ):
        yield session


async def test_a_bug_is_answered_in_json_and_logged_once_with_its_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    faulty: Any = Faulty(ValueError("a secret of the site"))
    async with (
        asking(Routes(faulty, NOTHING, NOTHING), tmp_path) as session,
        session.get("/v1/status") as answer,
    ):
        assert (answer.status, answer.content_type) == (500, "application/json")
        said = await answer.json()
    assert said == {"error": "an unexpected error, which the gateway's log describes"}
    (record,) = caplog.records
    assert record.getMessage() == "event=bug path=/v1/status"
    assert "a secret of the site" in caplog.text


async def test_a_fault_of_the_operator_is_answered_and_logged_in_its_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    faulty: Any = Faulty(OperatorFaultError("chmod 700 state"))
    async with (
        asking(Routes(faulty, NOTHING, NOTHING), tmp_path) as session,
        session.get("/v1/status") as answer,
    ):
        assert (answer.status, await answer.json()) == (500, {"error": "chmod 700 state"})
    assert [record.exc_info for record in caplog.records] == [None]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v2/status", 404), ("DELETE", "/v1/status", 405)]
)
async def test_what_is_not_served_is_refused_in_json(client, method: str, path: str, status: int):
    async with client.request(method, path) as answer:
        assert (answer.status, answer.content_type) == (status, "application/json")
        assert (await answer.json())["error"]


async def test_a_wish_that_is_too_long_is_refused_in_json(client):
    async with client.post("/v1/devices", data=b"x" * 70_000) as answer:
        assert (answer.status, answer.content_type) == (413, "application/json")


async def test_a_trace_that_cannot_begin_is_an_error_and_no_empty_trace(client, spool: Engine):
    await spool.write(lambda db: db.execute("ALTER TABLE ended RENAME TO gone"))
    async with client.get("/v1/trace") as answer:
        assert (answer.status, answer.content_type) == (500, "application/json")


async def test_a_trace_that_fails_on_its_way_is_not_taken_for_the_whole(
    client, spool: Engine, caplog: pytest.LogCaptureFixture
):
    await fill(spool)
    await spool.write(
        lambda db: db.execute(
            "INSERT INTO ended (device, epoch, stream, class, first_seq, last_seq, outcome, "
            "ended_ms) VALUES ('cam-01', 7, 'data', 'result', 'damaged', 3, 'delivered', 5)"
        )
    )
    async with client.get("/v1/trace") as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert [record.getMessage() for record in caplog.records] == ["event=bug path=/v1/trace"]


async def test_a_reader_who_stops_reading_is_cut_off_and_its_snapshot_ends(
    tmp_path: Path, spool: Engine
):
    """Its snapshot kept the write-ahead log growing for as long as it stayed."""
    await fill(spool)
    watched = Watched(spool)
    routes = Routes(NOTHING, NOTHING, watched.reader, trace_write_limit_s=0.2)
    async with asking(routes, tmp_path) as session, session.get("/v1/trace") as answer:
        assert answer.status == 200
        async with asyncio.timeout(10):
            await watched.closed.wait()
        assert watched.open == 0
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_a_reader_who_leaves_is_no_event_and_its_snapshot_ends(
    tmp_path: Path, spool: Engine, caplog: pytest.LogCaptureFixture
):
    await fill(spool)
    watched = Watched(spool)
    async with asking(Routes(NOTHING, NOTHING, watched.reader), tmp_path) as session:
        async with session.get("/v1/trace") as answer:
            await answer.content.readline()
            answer.close()
        async with asyncio.timeout(10):
            await watched.closed.wait()
    assert watched.open == 0
    assert caplog.records == []
