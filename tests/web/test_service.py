"""Pushing to open pages: bounded, newest only, and silent for nobody."""

import asyncio
import json

import msgspec
import pytest

from gateway.web.http import load_page
from gateway.web.limits import Limits
from gateway.web.service import Viewers, run
from gateway.web.view import view
from tests.simulators.site import MachineClock, SiteProgram, calm


@pytest.fixture(scope="module")
def page():
    return load_page()


class Steps(MachineClock):
    """A clock whose pauses last until the test lets them end."""

    def __init__(self):
        self.asked: list[float] = []
        self._turn = asyncio.Semaphore(0)
        self.waiting = asyncio.Semaphore(0)

    def step(self):
        self._turn.release()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.waiting.release()
        await self._turn.acquire()


def body(wire: bytes | None):
    assert wire is not None
    return json.loads(wire.removeprefix(b"data: "))


async def test_a_page_is_sent_the_state_at_once_and_then_what_changes(page):
    site, viewers, clock = SiteProgram(), Viewers(1), Steps()
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(run(site, page, viewers, clock, 150))
        with viewers.join() as viewer:
            assert viewer is not None
            assert "The line is fine" in body(await viewer.next())["parts"]["verdict"]
            site.change(devices=[])
            await clock.waiting.acquire()
            clock.step()
            assert "No devices yet" in body(await viewer.next())["parts"]["verdict"]
        loop.cancel()
    assert clock.asked[0] == 0.15


async def test_changes_inside_the_gap_travel_in_one_push(page):
    site, viewers, clock = SiteProgram(), Viewers(1), Steps()
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(run(site, page, viewers, clock, 150))
        with viewers.join() as viewer:
            assert viewer is not None
            await viewer.next()
            site.change(site="one")
            await clock.waiting.acquire()
            site.change(site="two")
            clock.step()
            assert body(await viewer.next())["title"] == "Fine · two"
        loop.cancel()
    assert site.reads == 2


async def test_while_nobody_looks_nothing_is_read_or_drawn(page):
    site, viewers, clock = SiteProgram(), Viewers(1), Steps()
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(run(site, page, viewers, clock, 150))
        for _ in range(10):
            await asyncio.sleep(0)  # the loop had every chance
        assert site.reads == 0
        with viewers.join() as viewer:
            assert viewer is not None
            await viewer.next()
        assert site.reads == 1
        loop.cancel()


async def test_a_quiet_line_still_sends_something_every_second(page):
    site, viewers = SiteProgram(), Viewers(1)
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(run(site, page, viewers, MachineClock(), 50))
        with viewers.join() as viewer:
            assert viewer is not None
            await viewer.next()
            async with asyncio.timeout(5):  # the page calls itself lost after this
                assert body(await viewer.next()).get("parts") is None
        loop.cancel()


async def test_a_slow_page_skips_to_the_newest_state_and_makes_nobody_wait(page):
    viewers = Viewers(2)
    with viewers.join() as slow, viewers.join() as quick:
        assert slow is not None
        assert quick is not None
        for number in range(50):
            viewers.show(page.draw(view(calm(site=f"state-{number}"))))
        assert body(await slow.next())["title"] == "Fine · state-49"
        assert body(await quick.next())["title"] == "Fine · state-49"
        viewers.show(page.draw(view(calm(site="last"))))
        assert body(await slow.next())["title"] == "Fine · last"


async def test_one_page_too_many_gets_no_place_until_another_leaves():
    viewers = Viewers(2)
    with viewers.join() as one:
        assert one is not None
        with viewers.join() as two, viewers.join() as three:
            assert two is not None
            assert three is None
            assert viewers.full()
        with viewers.join() as four:
            assert four is not None


async def test_closing_ends_every_stream_and_lets_nobody_join(page):
    viewers = Viewers(2)
    with viewers.join() as viewer:
        assert viewer is not None
        viewers.show(page.draw(view(calm())))
        viewers.close()
        assert await viewer.next() is None
        with viewers.join() as late:
            assert late is None


def test_the_section_of_the_configuration_is_bounded_and_knows_no_other_key():
    assert msgspec.convert({}, Limits) == Limits(port=8444, viewers_max=32, push_gap_ms=150)
    for wrong in ({"port": 0}, {"viewers_max": 257}, {"push_gap_ms": 10}, {"host": "0.0.0.0"}):  # noqa: S104
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, Limits)
