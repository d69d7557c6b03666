"""The receiving service on one folder: one server at a time, up or cut off as mode.json says."""

import asyncio
import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from hil.cloud.batch import BODY_MAX_BYTES
from hil.cloud.ledger import Ledger
from hil.cloud.mode import ModeFile, publish
from hil.cloud.presence import held
from hil.cloud.uploads import Uploads, named
from hil.cloud.wan import Wan, reserved, tls

WATCH_PERIOD_S: Final = 0.05


async def serve(folder: Path, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve ``folder`` on ``port`` (0: the one of last time, else a free one) until ``stop``.

    ``host`` is the address to listen on.

    ``serving.json`` holds {port, pid, wan} while it runs. It tells of a mode only when
    that mode is in force, and it goes at the end.

    Raises:
        AlreadyServedError: another server holds the folder.
        ModeFaultError: mode.json is not readable.
        OSError: somebody else listens on ``port``, or the certificates cannot be read.
    """
    with (
        held(folder),
        Ledger(folder) as ledger,
        ThreadPoolExecutor(1, "writer") as worker,
        reserved(host, port or _last_port(folder)) as number,
    ):
        publish(folder / "port", str(number).encode())
        wan = Wan(host, number, tls(folder))
        mode = ModeFile(folder)
        app = web.Application(client_max_size=BODY_MAX_BYTES, middlewares=[_behind(wan), named])
        app.router.add_post("/v1/batches/{digest}", Uploads(ledger, mode, worker).post)
        # The body is hashed and bounded here, so aiohttp must hand it over as it was sent.
        runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=2)
        await runner.setup()
        try:
            await _follow(folder, mode, wan, runner, stop)
        finally:
            (folder / "serving.json").unlink(missing_ok=True)
            wan.cut()
            await runner.cleanup()


async def _follow(
    folder: Path, mode: ModeFile, wan: Wan, runner: web.AppRunner, stop: asyncio.Event
) -> None:
    """Open and cut the WAN as mode.json says, until ``stop``."""
    told = ""
    while not stop.is_set():
        wanted = mode.read().wan
        if wanted == "up" and runner.server is not None:
            await wan.open(runner.server)
        elif wanted == "down":
            wan.cut()
        if wanted != told:
            told = wanted
            state = {"port": wan.port, "pid": os.getpid(), "wan": wanted}
            publish(folder / "serving.json", json.dumps(state).encode())
            effect = "serves" if wanted == "up" else "refuses connections"
            print(f"WAN {wanted}: https://{wan.host}:{wan.port} {effect}", flush=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WATCH_PERIOD_S):
                await stop.wait()


def _behind(wan: Wan) -> Middleware:
    """Abort what a connection asks for that was in its handshake when the WAN was cut."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not wan.up and request.transport is not None:
            request.transport.abort()
            return web.Response(status=503)  # nobody reads it
        return await handler(request)

    return gate


def _last_port(folder: Path) -> int:
    try:
        return int((folder / "port").read_text())
    except FileNotFoundError:
        return 0
