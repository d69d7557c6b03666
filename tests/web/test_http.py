"""The page over real HTTP, on loopback."""

import asyncio
import json
import re
import socket
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
from aiohttp import web

from gateway.web.http import PageAddressError, Routes, load_page, serving
from gateway.web.service import Viewers
from gateway.web.status import Status
from gateway.web.view import view
from tests.simulators.site import SiteProgram, calm, crop, device, page_of


async def raw(url: str, request: bytes) -> bytes:
    """Send bytes as they are and return the whole answer."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("path", ["", "v1/status", "health", "static/page.css", "nowhere"])
async def test_every_answer_carries_the_protecting_headers(client, path):
    async with page_of(SiteProgram()) as server, client.get(server.url + path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "site-gateway"


async def test_the_status_document_is_served_whole(client):
    site = SiteProgram()
    async with page_of(site) as server, client.get(f"{server.url}v1/status") as answer:
        assert answer.content_type == "application/json"
        document = msgspec.json.decode(await answer.read(), type=Status, strict=True)
    expected = await site.status()
    assert msgspec.structs.replace(document, time_ms=0) == msgspec.structs.replace(
        expected, time_ms=0
    )


async def test_what_prometheus_asks_for_is_told_in_its_own_format(client):
    async with page_of(SiteProgram()) as page, client.get(f"{page.url}metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await answer.read() == b"# nothing\n"


async def test_what_is_promised_can_be_read_where_there_is_no_other_network(client):
    async with page_of(SiteProgram()) as page, client.get(f"{page.url}durability") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert (await answer.text()).startswith("# What is promised, and what can be lost")


async def test_the_stream_opens_with_the_whole_state_and_goes_on_with_changes(client):
    site = SiteProgram()
    async with page_of(site) as server, client.get(f"{server.url}events") as answer:
        assert answer.content_type == "text/event-stream"
        lines = (line async for line in answer.content if line.startswith(b"data: "))
        first = json.loads((await anext(lines)).removeprefix(b"data: "))
        assert set(first["lists"]) == {
            *("advice", "devices-look", "devices-fine", "alerts", "gaps", "links")
        }
        site.change(devices=[])
        second = json.loads((await anext(lines)).removeprefix(b"data: "))
        assert second["lists"]["devices-fine"] == []


async def test_one_page_too_many_is_told_so_in_words(client):
    async with (
        page_of(SiteProgram(), viewers_max=1) as server,
        client.get(f"{server.url}events") as first,
    ):
        assert first.status == 200
        async with client.get(f"{server.url}events") as second:
            assert second.status == 503
            assert second.content_type == "text/plain"
            assert "Too many pages are open" in await second.text()
        async with client.head(f"{server.url}events") as asked:
            assert asked.status == 503
        async with client.get(server.url) as page:
            assert page.status == 200  # only the updates are bounded


async def test_a_closed_page_gives_its_place_back(client):
    async with page_of(SiteProgram(), viewers_max=1) as server:
        async with client.get(f"{server.url}events") as first:
            assert first.status == 200
            first.close()
        async with asyncio.timeout(10):
            while True:
                async with client.head(f"{server.url}events") as asked:
                    if asked.status == 200:
                        break


async def test_a_page_that_stops_reading_loses_its_place_and_fills_no_memory():
    page, viewers = load_page(), Viewers(1)
    runner = web.AppRunner(Routes(SiteProgram(), page, viewers, take_within_s=0.2).application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4_096)
    try:
        writer.write(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        await reader.readuntil(b"retry: 1000\n\n")  # and nothing after it
        drawn = [
            page.draw(view(calm(devices=[device(f"{name}-{n}") for n in range(500)])))
            for name in ("odd", "even")
        ]
        number = 0
        async with asyncio.timeout(15):
            while viewers.full():  # the system's own buffers take some megabytes first
                viewers.show(drawn[number % 2])
                number += 1
                await asyncio.sleep(0.01)
    finally:
        writer.transport.abort()
        await runner.cleanup()


async def test_stopping_ends_open_streams_at_once(client):
    async with page_of(SiteProgram()) as server, client.get(f"{server.url}events") as answer:
        await answer.content.readline()
        server.stop()
        async with asyncio.timeout(5):
            assert await answer.content.read() is not None


async def test_a_picture_is_served_as_what_it_is_and_may_run_nothing(client):
    site = SiteProgram()
    site.pictures[7, 0] = ("image/png", crop())
    async with page_of(site) as server, client.get(f"{server.url}alerts/7/0.png") as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert await answer.read() == crop()
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert site.asked == [(7, 0)]


async def test_a_page_posing_as_a_picture_is_not_found(client):
    site = SiteProgram()
    site.pictures[7, 0] = ("image/png", b"<html><script>alert(1)</script></html>")
    site.pictures[8, 0] = ("text/html", crop())
    async with page_of(site) as server:
        for path in ("alerts/7/0.png", "alerts/8/0.png", "alerts/9/0.png"):
            async with client.get(server.url + path) as answer:
                assert answer.status == 404


@pytest.mark.parametrize(
    "path",
    ["alerts/-1/0.png", "alerts/7/100.png", "alerts/9999999999999999999/0.png", "alerts/x/0.png"],
)
async def test_a_picture_is_asked_for_by_bounded_numbers_only(client, path):
    site = SiteProgram()
    async with page_of(site) as server, client.get(server.url + path) as answer:
        assert answer.status == 404
    assert site.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../http.py",
        "/static/%2e%2e/http.py",
        "/static/..%2fhttp.py",
        "/static/http.py",
        "/static/",
    ],
)
async def test_no_file_beside_the_pages_own_can_be_read(path):
    async with page_of(SiteProgram()) as server:
        host = urlsplit(server.url).netloc
        answer = await raw(
            server.url, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
    assert answer.startswith(b"HTTP/1.1 404")


async def test_a_name_that_an_attacker_points_here_reads_nothing(client):
    async with page_of(SiteProgram()) as server:
        port = urlsplit(server.url).port
        for path in ("", "v1/status", "events", "static/page.js"):
            headers = {"Host": f"attacker.example:{port}"}
            async with client.get(server.url + path, headers=headers) as answer:
                assert answer.status == 421
                assert "cam-01" not in await answer.text()
        async with client.get(server.url, headers={"Host": f"localhost:{port}"}) as answer:
            assert answer.status == 200


async def test_nothing_can_be_written(client):
    async with page_of(SiteProgram()) as server:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            async with client.request(method, f"{server.url}v1/status") as answer:
                assert answer.status == 405
                assert answer.headers["Allow"] == "GET, HEAD"


async def test_a_request_body_is_refused_unread(client):
    async with page_of(SiteProgram()) as server:
        host = urlsplit(server.url).netloc
        head = f"GET / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000000\r\n\r\n"
        answer = await raw(server.url, head.encode())
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "request_head",
    [
        "GET /" + "x" * 10_000 + " HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\nX: " + "y" * 10_000 + "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\n"
        + "".join(f"X-{n}: 1\r\n" for n in range(200))
        + "\r\n",
    ],
    ids=["line", "header", "headers"],
)
async def test_an_oversized_request_is_refused_and_the_page_stays_up(client, request_head):
    async with page_of(SiteProgram()) as server:
        host = urlsplit(server.url).netloc
        answer = await raw(server.url, request_head.replace("{host}", host).encode())
        assert re.match(rb"HTTP/1\.[01] 4\d\d ", answer)
        async with client.get(server.url) as page:
            assert page.status == 200


async def test_it_listens_on_loopback_only():
    async with page_of(SiteProgram()) as server:
        port = urlsplit(server.url).port
        # all of 127/8 is this machine: a page bound to every address would answer here
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.2", port)


async def test_health_is_good_while_the_status_is_answered_and_bad_when_it_hangs(client):
    site = SiteProgram()
    async with page_of(site) as server:
        async with client.get(f"{server.url}health") as answer:
            assert (answer.status, await answer.json()) == (
                200,
                {"serving": True, "version": "0.1.0"},
            )
        site.hang()
        async with client.get(f"{server.url}health") as answer:
            assert (answer.status, await answer.json()) == (503, {"serving": False})


async def test_a_taken_port_is_told_with_what_to_do():
    site, page = SiteProgram(), load_page()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PageAddressError) as refused:
            async with serving(site, page, Viewers(1), port):
                pass
    assert str(refused.value) == (
        f"the page cannot listen on 127.0.0.1:{port} (Address already in use): stop the program "
        "that uses this port, or set another one as [web] port in gateway.toml"
    )
