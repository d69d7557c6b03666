"""Retention is enforced at a steady beat, and without a pause while there is a backlog."""

import asyncio

import pytest

from gateway.spool.limits import EXPIRED_A_SWEEP_MAX
from gateway.spool.service import run
from tests.simulators.clock import SteppedClock


class Sweeps:
    """A sweep that finds what a test wrote down, and logs when it was called."""

    def __init__(self, clock: SteppedClock, *found: int) -> None:
        self.clock = clock
        self.found = list(found)
        self.at_s: list[float] = []

    async def __call__(self) -> int:
        self.at_s.append(self.clock.now())
        return self.found.pop(0) if self.found else 0


async def beat(*found: int, seconds: float) -> list[float]:
    clock = SteppedClock()
    sweeps = Sweeps(clock, *found)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run(sweeps, clock=clock, every_s=60))
        await clock.step(seconds)
        running.cancel()
    return sweeps.at_s


@pytest.mark.parametrize(
    ("found", "times"),
    [
        ((), [0, 60, 120]),
        ((5, EXPIRED_A_SWEEP_MAX - 1), [0, 60, 120]),
        ((EXPIRED_A_SWEEP_MAX, EXPIRED_A_SWEEP_MAX, 3), [0, 0, 0, 60, 120]),
    ],
)
async def test_a_sweep_that_found_all_it_may_take_is_followed_at_once(found, times):
    assert await beat(*found, seconds=125) == times
