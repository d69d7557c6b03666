"""The site's numbers on real files and a clock that is stepped by hand."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self, cast

import aiosqlite
import msgspec
import pytest

from gateway.app.device import Fleet
from gateway.app.numbers import LOOK_EVERY_S, STORE_WEAR_EVERY, Numbers
from gateway.app.offline import SPOOL_MIGRATIONS, STATE_MIGRATIONS
from gateway.app.voices import Voices
from gateway.broker.service import Seen
from gateway.config import parse
from gateway.intake.limits import IntakeLimits
from gateway.intake.share import Shares
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime
from gateway.spool.lifetime import HOUR_MS
from gateway.store.sqlite import Engine
from gateway.uplink.connectivity import Link, Standing
from tests.simulators.clock import SteppedClock
from tests.support.spooled import OPEN

JOBS = 2
CAM = DeviceId("cam-01")
NOBODY: Any = None
TOML = """
[site]
name = "plant-a"
addresses = ["127.0.0.1"]
state_dir = "state"
runtime_dir = "/run/x"
profiles_dir = "profiles"
[plan]
outage_h = 72
"""


class Room:
    """The room of the queue before anybody looked at it."""

    found = None


class Place:
    """Numbers on two files; ``link`` is how the uplink stands."""

    def __init__(self, folder: Path) -> None:
        self.clock = SteppedClock()
        self.link = Link.ONLINE
        self.voices = Voices(self.clock)
        self._folder = folder
        self._stack = AsyncExitStack()
        self.config = parse(TOML.encode(), "gateway.toml", folder)

    async def __aenter__(self) -> Self:
        enter = self._stack.enter_async_context
        self.spool = await enter(Engine(self._folder / "spool.db", SPOOL_MIGRATIONS))
        self.state = await enter(Engine(self._folder / "state.db", STATE_MIGRATIONS))
        self.reader: aiosqlite.Connection = await enter(self.spool.reader())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def numbers(self) -> Numbers:
        """Numbers of a process that begins now."""
        catalogue = {"open": (NOBODY, OPEN)}
        fleet = Fleet(
            self.config, self._folder, self.clock, self.state, NOBODY, catalogue, lambda: None
        )
        return Numbers(
            *(fleet, self.voices, self.spool, self.state, self.reader, Seen()),
            *(self.standing, cast("Any", Room()), Shares(IntakeLimits())),
        )

    def standing(self) -> Standing:
        return Standing(self.link, SiteTime(0))

    @asynccontextmanager
    async def running(self, numbers: Numbers) -> AsyncIterator[Numbers]:
        jobs = (numbers.run(), numbers.watch_absences())
        tasks = [asyncio.ensure_future(job) for job in jobs]
        await self.both_asleep()
        yield numbers
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def both_asleep(self) -> None:
        """Wait until both jobs have done their work."""
        while len(self.clock.sleepers()) < JOBS:  # noqa: ASYNC110 -- their work ends on other threads
            await asyncio.sleep(0.001)

    async def came(self, hours: int, size_bytes: int) -> None:
        """Have results come in at a steady rate until now."""
        now_h = self.clock.site() // HOUR_MS
        rows = [(now_h - hour, "result", 10, size_bytes) for hour in range(hours)]
        await self.spool.write(
            lambda db: db.executemany(
                "INSERT INTO inflow (hour, class, messages, bytes) VALUES (?, ?, ?, ?)", rows
            )
        )

    def problems(self) -> set[str]:
        return {code for code, _ in self.voices.register.problems}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with Place(tmp_path) as opened:
        yield opened


async def test_time_counts_as_offline_only_while_the_cloud_does_not_answer(place: Place):
    numbers = place.numbers()
    for link, seconds in ((Link.ONLINE, 100), (Link.OFFLINE, 30), (Link.DEGRADED, 5)):
        numbers.look()
        place.link = link
        await place.clock.step(seconds)
    numbers.look()
    assert numbers.offline_ms == 30_000


async def test_an_absence_is_on_the_disk_within_a_minute_and_is_reported_after_a_kill(
    place: Place,
):
    async with place.running(place.numbers()) as numbers:
        numbers.fleet.absences.gone(CAM, place.clock.site())
        await _steps(place, 3)
    (gap,) = (await place.numbers().gaps()).devices
    assert (gap.device, gap.offline_s) == (CAM, 3 * LOOK_EVERY_S)


async def test_an_absence_that_the_disk_refused_is_written_down_later(place: Place):
    numbers = place.numbers()
    numbers.fleet.absences.gone(CAM, place.clock.site())
    await place.clock.step(60)
    await place.spool.write(lambda db: db.execute("ALTER TABLE device_day RENAME TO elsewhere"))
    with pytest.raises(sqlite3.Error):
        await numbers.watch_absences()
    await place.spool.write(lambda db: db.execute("ALTER TABLE elsewhere RENAME TO device_day"))
    async with place.running(numbers):
        (gap,) = (await numbers.gaps()).devices
    assert gap.offline_s == 60


async def test_wear_is_stored_every_few_minutes_and_read_again_at_the_next_start(place: Place):
    async with place.running(place.numbers()) as numbers:
        numbers.meter.read({-1: 1_000_000}, place.clock.site())
        await _steps(place, STORE_WEAR_EVERY + 1)
        before = numbers.meter.by_day
    assert sum(before.values()) >= 1_000_000
    async with place.running(place.numbers()) as again:
        await _steps(place, 1)
        assert again.wear().today_bytes >= sum(before.values())


async def test_a_site_that_is_opened_again_in_its_process_counts_no_byte_twice(
    place: Place, tmp_path: Path
):
    with (tmp_path / "before").open("wb") as file:
        file.write(bytes(4_000_000))
        os.fsync(file.fileno())
    async with place.running(place.numbers()) as again:
        assert again.wear().today_bytes < 2_000_000


async def test_a_site_that_would_not_survive_what_it_is_planned_for_says_so(place: Place):
    await place.came(hours=12, size_bytes=10_000)
    async with place.running(place.numbers()):
        await _steps(place, 1)
        assert place.problems() == {"horizon-short"}
        (standing,) = place.voices.register.problems.values()
        assert standing.raised.detail == "result for 24.0 h of 72 h"
        plan = msgspec.structs.replace(place.config.plan, outage_h=20)
        place.config = msgspec.structs.replace(place.config, plan=plan)
    async with place.running(place.numbers()):
        await _steps(place, 1)
        assert place.problems() == set()


async def test_the_first_hours_after_a_start_accuse_nobody(place: Place):
    await place.came(hours=1, size_bytes=10_000)
    async with place.running(place.numbers()) as numbers:
        await _steps(place, 1)
        assert (await numbers.reckon()).losing(72)
        assert place.problems() == set()


async def _steps(place: Place, looks: int) -> None:
    """Let so many looks go by, each whole before the next."""
    for _ in range(looks):
        await place.both_asleep()
        await place.clock.step(LOOK_EVERY_S)
    await place.both_asleep()
