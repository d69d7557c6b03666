"""A problem is told once when it comes and once when it goes."""

import logging

from gateway.app.voices import Voices
from gateway.model.problem import Problem, Raised, Severity
from tests.simulators.clock import SteppedClock

DOWN = Problem("broker-down", Severity.CRITICAL, "title", "cause", "action")


async def test_a_problem_that_stands_is_logged_once_and_keeps_its_first_time(caplog):
    caplog.set_level(logging.INFO)
    clock = SteppedClock(wall_ms=5_000)
    told: list[str] = []
    voices = Voices(clock, listeners=[lambda: told.append("news")])
    voices.report(Raised(DOWN, "broker", "first"))
    await clock.step(60)
    voices.report(Raised(DOWN, "broker", "second"))
    (standing,) = voices.register.problems.values()
    assert (standing.since, standing.raised.detail) == (5_000, "second")
    assert told == ["news"]
    assert caplog.text.count("event=broker-down subject=broker first") == 1
    assert "second" not in caplog.text


async def test_a_problem_that_is_over_is_logged_once_and_one_that_never_stood_not_at_all(caplog):
    caplog.set_level(logging.INFO)
    voices = Voices(SteppedClock())
    voices.clear(DOWN, "broker")
    assert caplog.text == ""
    voices.report(Raised(DOWN, "broker"))
    voices.clear(DOWN, "broker")
    voices.clear(DOWN, "broker")
    assert caplog.text.count("event=broker-down-over subject=broker") == 1
    assert voices.register.problems == {}
