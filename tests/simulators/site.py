"""A site for the page to show: a program that answers like the gateway and can be changed.

``asked`` logs every picture that was asked for, ``reads`` counts the statuses. Times are by
the machine's clock, so ages grow as they do in life.
"""

import asyncio
import io
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import msgspec
from PIL import Image, ImageDraw

from gateway.model.access import Access
from gateway.model.outcome import Outcome
from gateway.model.problem import Severity
from gateway.model.time import Instant, SiteTime, UnixMs
from gateway.web.http import load_page, serving
from gateway.web.service import Viewers, run
from gateway.web.status import (
    AlertStatus,
    BrokerStatus,
    DeviceStatus,
    GapsStatus,
    HorizonStatus,
    ProblemStatus,
    QueueStatus,
    SpoolStatus,
    Status,
    UplinkStatus,
    WearStatus,
)

NOTHING = QueueStatus(rows=0, bytes=0, oldest_s=None)
CALM = SpoolStatus(alert=NOTHING, error_log=NOTHING, result=NOTHING, metric=NOTHING, log=NOTHING)


def wall_ms() -> int:
    return int(time.time() * 1000)


def crop(number: int = 0) -> bytes:
    """A 48 x 48 picture of a brick wall with a defect, as a PNG."""
    with (files("skimage") / "data" / "brick.png").open("rb") as file:
        brick = Image.open(file).convert("L")
    left, top = (number * 97) % 440, (number * 61) % 440
    picture = brick.crop((left, top, left + 48, top + 48))
    draw = ImageDraw.Draw(picture)
    if number % 2:
        draw.ellipse((15, 14, 33, 29), fill=38)
    else:
        draw.line((6, 39, 20, 22, 42, 9), fill=235, width=2)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def device(name: str, **fields: Any) -> DeviceStatus:
    """A device that is fine."""
    known: dict[str, Any] = {
        "id": name,
        "profile": "factory-camera-v2",
        "state": "online",
        "access": Access.ADMITTED,
        "last_seen_ms": wall_ms(),
        "epoch": 4_503_599_627_370_496,
        "alert": 3,
        "data": 120,
    }
    return DeviceStatus(**(known | fields))


def alert(number: int, **fields: Any) -> AlertStatus:
    """An alert without a picture."""
    known: dict[str, Any] = {
        "id": number,
        "device": "cam-01",
        "kind": "surface-defect",
        "severity": "major",
        "label": "scratch",
        "score": 0.974,
        "received_ms": wall_ms() - 12_000 * number,
        "picture": None,
        "outcome": Outcome.DELIVERED,
    }
    return AlertStatus(**(known | fields))


def problem(code: str, subject: str, **fields: Any) -> ProblemStatus:
    """A problem of the vocabulary, raised a minute ago."""
    known: dict[str, Any] = {
        "code": code,
        "subject": subject,
        "since_ms": wall_ms() - 60_000,
        "severity": Severity.WARNING,
        "title": f"Title of {code}",
        "cause": f"Cause of {code}.",
        "action": f"Action of {code}.",
        "detail": "",
    }
    return ProblemStatus(**(known | fields))


def calm(**fields: Any) -> Status:
    """A line of four devices on which all is well."""
    known: dict[str, Any] = {
        "version": "0.1.0",
        "pid": 4711,
        "site": "plant-a",
        "broker": BrokerStatus(pid=4712, state="running"),
        "devices": [device(f"cam-{n:02}") for n in range(1, 5)],
        "spool": CALM,
        "uplink": UplinkStatus(
            state="online", since_ms=wall_ms() - 7_200_000, parked=0, last_error=None
        ),
        "alerts": [],
        "problems": [],
        "privacy": [],
        "counters": {},
        "time_ms": wall_ms(),
        "gaps": GapsStatus(7, []),
        "wear": WearStatus(today_bytes=0, mean_bytes=None, days=0),
        "horizon": HorizonStatus("unknown", 0, None, None, []),
        "room": None,
        "traffic": [],
    }
    return Status(**(known | fields))


class SiteProgram:
    """Answers like the gateway. ``change`` is seen by open pages at once.

    ``ahead_ms`` is how much its clock is ahead of the machine's.
    """

    def __init__(self, status: Status | None = None, *, ahead_ms: int = 0) -> None:
        self._ahead_ms = ahead_ms
        self.pictures: dict[tuple[int, int], tuple[str, bytes]] = {}
        self.asked: list[tuple[int, int]] = []
        self.reads = 0
        self._status = calm() if status is None else status
        self._news = asyncio.Event()
        self._stuck = asyncio.Event()
        self._stuck.set()

    def change(self, **fields: Any) -> None:
        """Replace fields of the status document."""
        self._status = msgspec.structs.replace(self._status, **fields)
        self._news.set()

    def hang(self) -> None:
        """Answer nothing any more, as a gateway whose disk hangs."""
        self._stuck.clear()

    def recover(self) -> None:
        """Answer again."""
        self._stuck.set()

    async def status(self) -> Status:
        self.reads += 1
        await self._stuck.wait()
        return msgspec.structs.replace(self._status, time_ms=wall_ms() + self._ahead_ms)

    async def metrics(self) -> bytes:
        return b"# nothing\n"

    async def picture(self, alert_id: int, number: int) -> tuple[str, bytes] | None:
        self.asked.append((alert_id, number))
        return self.pictures.get((alert_id, number))

    async def changed(self) -> None:
        try:
            async with asyncio.timeout(1):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()


class MachineClock:
    """The clock of a running program."""

    def now(self) -> Instant:
        return Instant(time.monotonic())

    def site(self) -> SiteTime:
        return SiteTime(wall_ms())

    def wall(self) -> UnixMs:
        return UnixMs(wall_ms())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class PageServer:
    """The real page over a site. ``stop`` ends it as a killed gateway would be gone."""

    def __init__(self, url: str, viewers: Viewers, stop: asyncio.Event) -> None:
        self.url = url
        self.viewers = viewers
        self._stop = stop

    def stop(self) -> None:
        """Begin to stop; the block that opened it waits for the end."""
        self._stop.set()


@asynccontextmanager
async def page_of(site: SiteProgram, *, viewers_max: int = 32) -> AsyncGenerator[PageServer]:
    """Serve the page over ``site`` on a free port of loopback while the block runs."""
    page, viewers = load_page(), Viewers(viewers_max)
    stop, up = asyncio.Event(), asyncio.Queue[str]()

    async def serve() -> None:
        async with serving(site, page, viewers, 0) as url, asyncio.TaskGroup() as tasks:
            pushing = tasks.create_task(run(site, page, viewers, MachineClock(), 50), name="push")
            up.put_nowait(url)
            await stop.wait()
            pushing.cancel()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(), name="page")
        yield PageServer(await up.get(), viewers, stop)
        stop.set()
