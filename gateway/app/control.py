"""The control socket: the HTTP API for commands of this machine, 0600, in a private folder."""

from collections.abc import AsyncGenerator, Callable
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

REQUEST_BYTES_MAX = 65_536
STOP_LIMIT_S = 2.0
SOCKET_NAME = "control.sock"
TRACE_LINES_A_WRITE = 500


class _Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    profile: str
    csr_pem: str


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(document), status=status, content_type="application/json"
    )


class Routes:
    """One method a path; who can open the socket is the operator."""

    def __init__(
        self,
        site: Site,
        fleet: Fleet,
        reader: Callable[[], AbstractAsyncContextManager[aiosqlite.Connection]],
    ) -> None:
        self._site = site
        self._fleet = fleet
        self._reader = reader

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(client_max_size=REQUEST_BYTES_MAX)
        application.add_routes(
            [
                web.get("/v1/status", self.status),
                web.get("/v1/trace", self.trace),
                web.get("/v1/devices", self.devices),
                web.post("/v1/devices", self.join),
            ]
        )
        return application

    async def status(self, _: web.Request) -> web.Response:
        """The status document."""
        return _json(await self._site.status())

    async def trace(self, request: web.Request) -> web.StreamResponse:
        """One JSON line a message, in one snapshot. Each request has its own connection."""
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await answer.prepare(request)
        lines: list[bytes] = []
        async with self._reader() as db, aclosing(trace.trace(db)) as traced:
            async for line in traced:
                lines.append(msgspec.json.encode(line))
                if len(lines) == TRACE_LINES_A_WRITE:
                    await answer.write(b"\n".join(lines) + b"\n")
                    lines.clear()
        if lines:
            await answer.write(b"\n".join(lines) + b"\n")
        await answer.write_eof()
        return answer

    async def devices(self, _: web.Request) -> web.Response:
        """The inventory."""
        return _json({"devices": [listed(one) for one in self._fleet.devices.values()]})

    async def join(self, request: web.Request) -> web.Response:
        """Enrol a device: 200 with its certificate, 409 refused, 422 unusable."""
        try:
            wish = msgspec.json.decode(await request.read(), type=_Join)
            granted = await self._fleet.add(wish.id, wish.profile, wish.csr_pem.encode())
        except RefusedError as error:
            return _json({"error": str(error)}, 409)
        except (UnusableRequestError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            return _json({"error": str(error)}, 422)
        except OperatorFaultError as error:
            return _json({"error": str(error)}, 500)
        return _json(granted)


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
