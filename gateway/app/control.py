"""The control socket: the HTTP API for commands of this machine, 0600, in a private folder."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import aiosqlite
import msgspec
from aiohttp import web

from gateway.app.device import Fleet, UnusableRequestError
from gateway.app.site import Site
from gateway.identity.inventory import listed
from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.spool import trace
from gateway.store.watched import is_damage
from gateway.web.http import METRICS_TYPE

LOG = logging.getLogger(__name__)

REQUEST_BYTES_MAX = 65_536
STOP_LIMIT_S = 2.0
SOCKET_NAME = "control.sock"
TRACE_LINES_A_WRITE = 500
TRACE_WRITE_LIMIT_S = 30.0
"""A reader that takes nothing for so long is cut off: its snapshot keeps the WAL from shrinking."""


class _Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    profile: str
    csr_pem: str


def reply(document: object, status: int = 200) -> web.Response:
    """Answer with a JSON document."""
    return web.Response(
        body=msgspec.json.encode(document), status=status, content_type="application/json"
    )


@web.middleware
async def _told(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer every error with a JSON object; one that nobody foresaw is logged here, once."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return reply({"error": error.reason}, error.status)
    except OperatorFaultError as error:
        LOG.error("event=control-failed path=%s %s", request.path, error)  # noqa: TRY400 -- no bug
        return reply({"error": str(error)}, 500)
    except Exception as error:
        if isinstance(error, sqlite3.Error) and is_damage(error):
            return reply({"error": "the queue's file is damaged and is being replaced"}, 503)
        LOG.exception("event=bug path=%s", request.path)
        return reply({"error": "an unexpected error, which the gateway's log describes"}, 500)


class Routes:
    """One method a path; who can open the socket is the operator.

    ``more`` are the paths of a noun that has a file of its own; they answer with ``reply``.
    """

    def __init__(
        self,
        site: Site,
        fleet: Fleet,
        reader: Callable[[], AbstractAsyncContextManager[aiosqlite.Connection]],
        more: Sequence[web.RouteDef] = (),
        trace_write_limit_s: float = TRACE_WRITE_LIMIT_S,
    ) -> None:
        self._site = site
        self._fleet = fleet
        self._reader = reader
        self._more = more
        self._trace_write_limit_s = trace_write_limit_s

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(client_max_size=REQUEST_BYTES_MAX, middlewares=[_told])
        application.add_routes(
            [
                web.get("/v1/status", self.status),
                web.get("/metrics", self.metrics),
                web.get("/v1/trace", self.trace),
                web.get("/v1/devices", self.devices),
                web.post("/v1/devices", self.join),
                *self._more,
            ]
        )
        return application

    async def status(self, _: web.Request) -> web.Response:
        """The status document."""
        return reply(await self._site.status())

    async def metrics(self, _: web.Request) -> web.Response:
        """The same for Prometheus."""
        return web.Response(body=await self._site.metrics(), headers={"Content-Type": METRICS_TYPE})

    async def trace(self, request: web.Request) -> web.StreamResponse:
        """One JSON line a message, in one snapshot. Each request has its own connection.

        The snapshot ends with the answer, however that ends: an answer that is not whole
        ends without its last chunk, and so no client takes it for the whole.
        """
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        try:
            async with self._reader() as db, aclosing(_pieces(db)) as pieces:
                async for piece in pieces:
                    async with asyncio.timeout(self._trace_write_limit_s):
                        if not answer.prepared:  # before the first piece an error has a status
                            await answer.prepare(request)
                        await answer.write(piece)
            async with asyncio.timeout(self._trace_write_limit_s):
                if not answer.prepared:
                    await answer.prepare(request)
                await answer.write_eof()
        except ConnectionError:
            pass  # the client went away, as a pager does
        except TimeoutError:
            LOG.warning("event=trace-cut-off a client took nothing for a while")
            _cut(request)
        except Exception:
            if not answer.prepared:
                raise
            LOG.exception("event=bug path=%s", request.path)
            _cut(request)
        return answer

    async def devices(self, _: web.Request) -> web.Response:
        """The inventory."""
        return reply({"devices": [listed(one) for one in self._fleet.devices.values()]})

    async def join(self, request: web.Request) -> web.Response:
        """Enrol a device: 200 with its certificate, 409 refused, 422 unusable."""
        try:
            wish = msgspec.json.decode(await request.read(), type=_Join)
            granted = await self._fleet.add(wish.id, wish.profile, wish.csr_pem.encode())
        except RefusedError as error:
            return reply({"error": str(error)}, 409)
        except (UnusableRequestError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            return reply({"error": str(error)}, 422)
        return reply(granted)


async def _pieces(db: aiosqlite.Connection) -> AsyncGenerator[bytes]:
    """Yield the lines of the trace, many at a time."""
    lines: list[bytes] = []
    async with aclosing(trace.trace(db)) as traced:
        async for line in traced:
            lines.append(msgspec.json.encode(line) + b"\n")
            if len(lines) == TRACE_LINES_A_WRITE:
                yield b"".join(lines)
                lines.clear()
    if lines:
        yield b"".join(lines)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


@asynccontextmanager
async def serving(routes: Routes, folder: Path) -> AsyncGenerator[None]:
    """Serve the control socket in ``folder`` (0700) inside the block."""
    path = folder / SOCKET_NAME
    runner = web.AppRunner(routes.application(), access_log=None, shutdown_timeout=STOP_LIMIT_S)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        path.chmod(0o600)
        yield
    finally:
        await runner.cleanup()
        path.unlink(missing_ok=True)  # asyncio leaves it, and it would look like a gateway
