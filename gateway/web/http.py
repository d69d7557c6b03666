"""aiohttp: the page, its stream, its pictures and the status document, on loopback.

Read only. ``docs/openapi.yaml`` lists every path; a test compares it with the routes.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Final

import msgspec
from aiohttp import web

from gateway.model.errors import OperatorFaultError
from gateway.web import guard, picture, stream
from gateway.web.page import TEMPLATES, Page
from gateway.web.service import Site, Viewers
from gateway.web.view import view
from gateway.web.words import FULL, FULL_ACTION

ADDRESS: Final = "127.0.0.1"
STATIC: Final = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "mark.svg": "image/svg+xml",
}
DURABILITY: Final = "durability.md"
REQUEST_LINE_MAX_BYTES: Final = 4_096
HEADER_MAX_BYTES: Final = 8_190
HEADERS_MAX: Final = 64
KEEPALIVE_S: Final = 30.0
LINGER_S: Final = 1.0
STOP_WITHIN_S: Final = 2.0
ANSWER_WITHIN_S: Final = 2.0
"""Health is bad when the status takes longer: the process lives, but does not work."""
TAKE_WITHIN_S: Final = 10.0
"""A page that does not read for so long loses its place to others."""

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PageAddressError(OperatorFaultError):
    """The page's port cannot be had."""

    def __init__(self, port: int, cause: str) -> None:
        super().__init__(
            f"the page cannot listen on {ADDRESS}:{port} ({cause}): stop the program that uses "
            "this port, or set another one as [web] port in gateway.toml"
        )
        self.port = port


def load_page() -> Page:
    """Return the page with the templates of this package."""
    folder = files("gateway.web") / "templates"
    return Page(
        {f"{name}.html": (folder / f"{name}.html").read_text("utf-8") for name in TEMPLATES}
    )


class Routes:
    """One method a path."""

    def __init__(
        self, site: Site, page: Page, viewers: Viewers, *, take_within_s: float = TAKE_WITHIN_S
    ) -> None:
        self._site = site
        self._page = page
        self._viewers = viewers
        self._take_within_s = take_within_s
        folder = files("gateway.web") / "static"
        self._durability = (folder / DURABILITY).read_text("utf-8")
        self._static = {name: (folder / name).read_bytes() for name in STATIC}

    def application(self) -> web.Application:
        """Return the aiohttp application, guarded."""
        application = web.Application(middlewares=[_guarded], client_max_size=1)
        application.on_response_prepare.append(_with_headers)
        application.add_routes(
            [
                web.get("/", self.whole),
                web.get("/events", self.events, allow_head=False),
                web.head("/events", self.place),
                web.get("/health", self.health),
                web.get("/v1/status", self.status),
                web.get("/metrics", self.metrics),
                web.get("/durability", self.durability),
                web.get(r"/static/{name:[a-z.]{1,32}}", self.static),
                web.get(r"/alerts/{alert:\d{1,18}}/{number:\d{1,2}}.png", self.picture),
            ]
        )
        return application

    async def whole(self, _: web.Request) -> web.Response:
        """The page, complete without any script."""
        html = self._page.whole(view(await self._site.status()))
        return web.Response(text=html, content_type="text/html")

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The stream; a 503 with a sentence where every place is taken."""
        with self._viewers.join() as viewer:
            if viewer is None:
                return await self.place(request)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            try:
                await response.write(stream.opening())
                while (event := await viewer.next()) is not None:
                    async with asyncio.timeout(self._take_within_s):
                        await response.write(event)
            except (TimeoutError, ConnectionError):
                # closed, asleep or out of reach: the page comes back by itself when it can.
                # A transport with unread bytes would keep the socket until they are read.
                if request.transport is not None:
                    request.transport.abort()
            return response

    async def place(self, _: web.Request) -> web.Response:
        """Whether the stream has a free place: 200, or 503 with a sentence."""
        if self._viewers.full():
            return web.Response(status=503, text=f"{FULL} {FULL_ACTION}")
        return web.Response(content_type="text/event-stream")

    async def status(self, _: web.Request) -> web.Response:
        """The status document."""
        document = msgspec.json.encode(await self._site.status())
        return web.Response(body=document, content_type="application/json")

    async def durability(self, _: web.Request) -> web.Response:
        """What is promised, in words; ``make docs`` copies it from docs/durability.md."""
        return web.Response(text=self._durability, content_type="text/plain")

    async def metrics(self, _: web.Request) -> web.Response:
        """The same for Prometheus."""
        return web.Response(body=await self._site.metrics(), headers={"Content-Type": METRICS_TYPE})

    async def health(self, _: web.Request) -> web.Response:
        """Whether this process works; the state of the line is no part of it."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                version = (await self._site.status()).version
        except TimeoutError:
            return web.json_response({"serving": False}, status=503)
        return web.json_response({"serving": True, "version": version})

    async def static(self, request: web.Request) -> web.Response:
        """Style, script and mark; there is no folder behind it."""
        name = request.match_info["name"]
        if name not in STATIC:
            raise web.HTTPNotFound
        return web.Response(body=self._static[name], content_type=STATIC[name], charset="utf-8")

    async def picture(self, request: web.Request) -> web.Response:
        """A picture of an alert. The path ends in .png for a JPEG too; the type tells."""
        alert, number = int(request.match_info["alert"]), int(request.match_info["number"])
        found = await self._site.picture(alert, number)
        if found is None or not picture.may_serve(*found):
            raise web.HTTPNotFound
        content_type, content = found
        policy = {"Content-Security-Policy": guard.PICTURE_POLICY}
        return web.Response(body=content, content_type=content_type, headers=policy)


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    transport = request.transport
    port = 0 if transport is None else int(transport.get_extra_info("sockname")[1])
    hosts = request.headers.getall("Host", [])
    refusal = guard.check(request.method, hosts, port, has_body=request.body_exists)
    if refusal is None:
        return await handler(request)
    response = web.Response(status=refusal.status, text=refusal.text)
    response.headers["Allow"] = ", ".join(guard.METHODS)
    response.force_close()
    return response


async def _with_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in guard.HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "site-gateway"  # aiohttp would tell the versions of its parts


@asynccontextmanager
async def serving(site: Site, page: Page, viewers: Viewers, port: int) -> AsyncGenerator[str]:
    """Serve inside the block and yield the page's address; port 0 takes a free one.

    Leaving the block ends every stream first, so it takes two seconds at most.

    Raises:
        PageAddressError: the port is taken or not allowed.
    """
    application = Routes(site, page, viewers).application()

    async def end_streams(_: web.Application) -> None:
        viewers.close()

    application.on_shutdown.append(end_streams)
    runner = web.AppRunner(
        application,
        access_log=None,
        shutdown_timeout=STOP_WITHIN_S,
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGER_S,
        max_line_size=REQUEST_LINE_MAX_BYTES,
        max_field_size=HEADER_MAX_BYTES,
        max_headers=HEADERS_MAX,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, ADDRESS, port).start()
        except OSError as error:
            cause = str(error) if error.errno is None else os.strerror(error.errno)
            raise PageAddressError(port, cause) from error
        yield f"http://{ADDRESS}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
