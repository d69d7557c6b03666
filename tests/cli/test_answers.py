"""What commands make of a gateway that answers with an error, nonsense, slowly or not at all."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.cli import spool, status
from gateway.cli.client import GatewayAnswerError, GatewayUnreachableError, document, lines

LINE = {
    "device": "cam-01",
    "epoch": 7,
    "stream": "data",
    "seq": 1,
    "class": "result",
    "outcome": "queued",
    "batch": None,
}
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def says(body: bytes, code: int = 200, content_type: str = "application/json") -> Answering:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=code, content_type=content_type)

    return answer


async def breaks_off(asked: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await answer.prepare(asked)
    await answer.write(json.dumps(LINE).encode() + b"\n")
    assert asked.transport is not None
    asked.transport.close()
    return answer


async def falls_silent(asked: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await answer.prepare(asked)
    await answer.write(json.dumps(LINE).encode() + b"\n")
    await asyncio.Event().wait()
    return answer


@asynccontextmanager
async def gateway(folder: Path, answering: Answering) -> AsyncIterator[Path]:
    """Serve one answer for every path; yield the control socket."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answering)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(folder / "control.sock")).start()
        yield folder / "control.sock"
    finally:
        await runner.cleanup()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[site]\nname = "plant-a"\naddresses = ["127.0.0.1"]\nstate_dir = "state"\n'
        f'runtime_dir = "{tmp_path}"\nprofiles_dir = "profiles"\n'
    )
    return path


def run(config: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    status.add_parser(commands)
    spool.add_parser(commands)
    arguments = parser.parse_args([*words, "--config", str(config)])
    return int(arguments.run(arguments))


ERROR = says(b'{"error":"the disk is gone"}', 500)
COMMANDS = [("status",), ("status", "--json"), ("spool", "trace"), ("spool", "trace", "--json")]
NONSENSE = {
    "an error in JSON": (ERROR, "status 500: the disk is gone"),
    "an error that is a page": (
        says(b"<h1>500</h1>", 500, "text/html"),
        "status 500 with text/html instead of application/json",
    ),
    "an error that is no object": (says(b"[1]", 500), "status 500, and no JSON object"),
    "an error without a reason": (says(b"{}", 503), "status 503: no reason given"),
    "a path that it does not know": (says(b'{"error":"Not Found"}', 404), "status 404: Not Found"),
    "a page": (says(b"<h1>hello</h1>", 200, "text/html"), "text/html instead of application/"),
}


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("name", NONSENSE)
async def test_an_error_of_the_gateway_is_a_sentence_and_exit_1(
    tmp_path: Path, config: Path, capsys, name: str, words: tuple[str, ...]
):
    """It was a traceback, or it was printed as if it were the trace, with exit code 0."""
    answering, sentence = NONSENSE[name]
    async with gateway(tmp_path, answering):
        assert await asyncio.to_thread(run, config, *words) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith("the gateway's answer to /v1/")
    assert sentence in told.err
    assert told.err.endswith("; its log says more\n")


@pytest.mark.parametrize("words", COMMANDS)
def test_a_gateway_that_is_not_there_is_exit_4(config: Path, capsys, words: tuple[str, ...]):
    assert run(config, *words) == 4
    assert "start it with 'site-gateway run'" in capsys.readouterr().err


@pytest.mark.parametrize("words", COMMANDS[2:])
async def test_a_trace_that_breaks_off_is_not_taken_for_the_whole(
    tmp_path: Path, config: Path, capsys, words: tuple[str, ...]
):
    async with gateway(tmp_path, breaks_off):
        assert await asyncio.to_thread(run, config, *words) == 1
    assert "the gateway's answer to /v1/trace: it broke off (" in capsys.readouterr().err


async def test_a_line_that_is_none_of_a_trace_is_named(tmp_path: Path, config: Path, capsys):
    async with gateway(tmp_path, says(b'{"device":1}\n', content_type="application/x-ndjson")):
        assert await asyncio.to_thread(run, config, "spool", "trace") == 1
    assert "a line that is none of a trace" in capsys.readouterr().err


async def test_a_trace_is_printed_as_it_came_or_counted(tmp_path: Path, config: Path, capfdbinary):
    body = b"".join(json.dumps(LINE | {"seq": seq}).encode() + b"\n" for seq in (1, 2))
    async with gateway(tmp_path, says(body, content_type="application/x-ndjson")):
        assert await asyncio.to_thread(run, config, "spool", "trace", "--json") == 0
        assert capfdbinary.readouterr().out == body
        assert await asyncio.to_thread(run, config, "spool", "trace") == 0
    assert capfdbinary.readouterr().out.split() == [b"cam-01", b"result", b"queued", b"2"]


async def test_a_stream_is_given_up_only_when_it_falls_silent(tmp_path: Path):
    """Its limit was for the whole: a trace of a million messages was cut after 30 s."""
    pieces = 8

    async def slowly(asked: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await answer.prepare(asked)
        for _ in range(pieces):
            await asyncio.sleep(0.1)  # the silence under test
            await answer.write(json.dumps(LINE).encode() + b"\n")
        return answer

    async with gateway(tmp_path, slowly) as socket:
        assert len([line async for line in lines(socket, "/v1/trace", 0.5)]) == pieces


async def test_a_stream_that_falls_silent_ends_in_a_sentence(tmp_path: Path):
    async with gateway(tmp_path, falls_silent) as socket:
        coming = lines(socket, "/v1/trace", 0.2)
        assert json.loads(await anext(coming)) == LINE
        with pytest.raises(GatewayAnswerError, match=r"/v1/trace: it broke off \("):
            await anext(coming)


async def test_a_document_is_what_the_gateway_says(tmp_path: Path):
    async with gateway(tmp_path, says(b'{"devices":[]}')) as socket:
        assert await document(socket, "/v1/devices") == {"devices": []}


async def test_a_connection_that_closes_without_a_word_is_no_answer(tmp_path: Path):
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    socket = tmp_path / "control.sock"
    async with await asyncio.start_unix_server(hang_up, socket):
        with pytest.raises(GatewayUnreachableError, match="no gateway answers"):
            await document(socket, "/v1/status")
