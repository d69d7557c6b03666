"""Push what changed to every open page.

One loop reads and draws for all pages, and only while a page is open. Each page keeps the
newest state alone: one that reads slowly skips states, it never makes anyone wait and
never fills memory. The loop pushes at least once a second even when nothing changed,
because silence tells a page that the gateway is gone.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from gateway.model.time import Clock
from gateway.web.page import Page, Parts
from gateway.web.status import Status
from gateway.web.stream import event
from gateway.web.view import view


class Site(Protocol):
    """What the page shows.

    ``status`` is the state now, ``metrics`` the same for Prometheus (text format 0.0.4).
    ``picture`` is (content type, bytes) of an alert's picture, or None. ``changed`` returns
    when something changed since it last returned, and after one second at the latest.
    """

    async def status(self) -> Status: ...

    async def metrics(self) -> bytes: ...

    async def picture(self, alert_id: int, number: int) -> tuple[str, bytes] | None: ...

    async def changed(self) -> None: ...


class Viewer:
    """One open page."""

    def __init__(self) -> None:
        self._newest: Parts | None = None
        self._sent: Parts | None = None
        self._ended = False
        self._news = asyncio.Event()

    def offer(self, parts: Parts) -> None:
        """Make ``parts`` what this page gets next, in place of what it has not taken yet."""
        self._newest = parts
        self._news.set()

    def end(self) -> None:
        """Make ``next`` return None from now on."""
        self._ended = True
        self._news.set()

    async def next(self) -> bytes | None:
        """Return the next event, or None when the gateway stops serving."""
        await self._news.wait()
        self._news.clear()
        if self._ended or self._newest is None:
            return None
        sent, self._sent = self._sent, self._newest
        return event(sent, self._newest)


class Viewers:
    """The open pages, at most ``viewers_max``."""

    def __init__(self, viewers_max: int) -> None:
        self._viewers_max = viewers_max
        self._open: set[Viewer] = set()
        self._closing = False
        self._somebody = asyncio.Event()

    def full(self) -> bool:
        """Return whether no further page may join."""
        return self._closing or len(self._open) >= self._viewers_max

    @contextmanager
    def join(self) -> Generator[Viewer | None]:
        """Hold a place while the block runs; None when there is none."""
        if self.full():
            yield None
            return
        viewer = Viewer()
        self._open.add(viewer)
        self._somebody.set()
        try:
            yield viewer
        finally:
            self._open.discard(viewer)
            if not self._open:
                self._somebody.clear()

    async def somebody(self) -> None:
        """Return once a page is open."""
        await self._somebody.wait()

    def show(self, parts: Parts) -> None:
        """Offer the newest state to every open page."""
        for viewer in self._open:
            viewer.offer(parts)

    def close(self) -> None:
        """End every stream, and let nobody join any more."""
        self._closing = True
        for viewer in self._open:
            viewer.end()


async def run(site: Site, page: Page, viewers: Viewers, clock: Clock, push_gap_ms: int) -> None:
    """Draw and push until cancelled. An error of ``site`` ends it: pages then show the loss."""
    parts: Parts | None = None
    while True:
        await viewers.somebody()
        parts = page.draw(view(await site.status()), parts)
        viewers.show(parts)
        await site.changed()
        # what happens inside the gap travels in one push
        await clock.sleep(push_gap_ms / 1000)
