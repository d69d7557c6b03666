"""A disk that refuses stops no job for good, and people are told as long as it does."""

import asyncio
import sqlite3

import pytest

from gateway.app.patience import patiently
from gateway.app.session import AGAIN_AFTER_WRITE_FAILURE_S
from gateway.app.voices import Voices
from tests.simulators.clock import SteppedClock


class Job:
    """Fails as often as it is told, then works until cancelled; logs when it began."""

    def __init__(self, clock: SteppedClock, *fails: Exception) -> None:
        self.clock = clock
        self.fails = list(fails)
        self.began_s: list[float] = []

    async def __call__(self) -> None:
        self.began_s.append(self.clock.now())
        if self.fails:
            raise self.fails.pop(0)
        await asyncio.Event().wait()


async def test_a_job_whose_write_failed_begins_again_and_the_problem_stands_once():
    clock = SteppedClock()
    voices = Voices(clock)
    full = sqlite3.OperationalError("database or disk is full")
    job = Job(clock, full, full)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(patiently(job, "spool.db", voices))
        await clock.step(60)
        assert job.began_s == [0, AGAIN_AFTER_WRITE_FAILURE_S, 2 * AGAIN_AFTER_WRITE_FAILURE_S]
        running.cancel()
    (standing,) = voices.register.problems.values()
    assert standing.raised.problem.code == "disk-write-failed"
    assert (standing.raised.subject, standing.raised.detail) == (
        "spool.db",
        "database or disk is full",
    )


async def test_a_bug_is_not_waited_out():
    clock = SteppedClock()
    with pytest.raises(TypeError, match="bug"):
        await patiently(Job(clock, TypeError("bug")), "spool.db", Voices(clock))
