"""A broker that ends is started again, ever more slowly, and people are told why."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from gateway.broker.problems import BROKER_DOWN
from gateway.broker.service import BACK_OFF_MOST_S, START_LIMIT_S, Ear, Seen, State, keep
from gateway.broker.words import Reason, Words
from gateway.model.allowance import LINES_AT_ONCE
from gateway.model.problem import Raised
from tests.simulators.broker import Starts
from tests.simulators.clock import SteppedClock


class Kept:
    """The service over scripted brokers."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.starts = Starts(self.clock)
        self.seen = Seen()
        self.raised: list[Raised] = []

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(
                keep(self.starts, self.seen, clock=self.clock, report=self.raised.append)
            )
            yield
            keeping.cancel()


async def test_a_broker_is_starting_until_it_serves():
    kept = Kept()
    async with kept.running():
        await kept.clock.step(0.05)
        assert (kept.seen.state, kept.seen.pid) == (State.STARTING, 100)
        await kept.clock.step(0.1)
        assert (kept.seen.state, kept.seen.running) == (State.RUNNING, kept.starts.brokers[0])
    assert kept.raised == []


async def test_a_broker_that_ends_is_reported_with_its_last_words_and_started_again():
    kept = Kept()
    async with kept.running():
        await kept.clock.step(5)
        kept.starts.brokers[0].end(3, "one", "two", "Error: Address already in use", "bye")
        await kept.clock.step(0.1)
        assert (kept.seen.state, kept.seen.pid, kept.seen.running) == (State.DOWN, None, None)
        detail = "mosquitto ended with code 3: two; Error: Address already in use; bye"
        assert kept.raised == [Raised(BROKER_DOWN, "broker", detail)]
        await kept.clock.step(1)
        assert (kept.seen.state, kept.seen.pid) == (State.RUNNING, 101)


async def test_a_silent_end_is_told_as_one():
    kept = Kept()
    async with kept.running():
        await kept.clock.step(1)
        kept.starts.brokers[0].end(-9)
        await kept.clock.step(0.1)
    assert kept.raised[0].detail == "mosquitto ended with code -9: it said nothing"


async def test_a_broker_that_cannot_be_started_is_tried_ever_more_slowly():
    kept = Kept()
    kept.starts.fails = ["mosquitto is not installed"] * 20
    async with kept.running():
        await kept.clock.step(60)
    assert {one.detail for one in kept.raised} == {"mosquitto is not installed"}
    waits = [round(b - a, 3) for a, b in zip(kept.starts.at_s, kept.starts.at_s[1:], strict=False)]
    assert waits[:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, BACK_OFF_MOST_S]
    assert set(waits[6:]) == {BACK_OFF_MOST_S}


async def test_after_a_steady_life_the_first_pause_is_short_again():
    kept = Kept()
    kept.starts.fails = ["no"] * 6
    async with kept.running():
        await kept.clock.step(60)
        kept.starts.brokers[0].end(1)
        began = kept.clock.now()
        await kept.clock.step(1)
        assert kept.starts.at_s[-1] - began == pytest.approx(0.2)


async def test_a_broker_that_never_serves_is_ended_and_replaced():
    kept = Kept()
    kept.starts.serves_after_s = 10**6
    async with kept.running():
        await kept.clock.step(START_LIMIT_S - 0.1)
        assert kept.starts.brokers[0].stops == 0
        await kept.clock.step(1)
        assert kept.starts.brokers[0].stops == 1
        assert kept.starts.brokers[0].dead()
        assert len(kept.starts.brokers) == 2
        assert kept.seen.state is State.STARTING


async def test_a_broker_that_dies_while_it_starts_is_not_waited_for():
    kept = Kept()
    kept.starts.serves_after_s = 10**6
    async with kept.running():
        await kept.clock.step(0.1)
        kept.starts.brokers[0].end(1, "Error: Unable to open config file")
        await kept.clock.step(0.5)
        assert len(kept.starts.brokers) == 2
    assert "Unable to open" in kept.raised[0].detail


async def test_the_broker_ends_with_the_gateway():
    kept = Kept()
    async with kept.running():
        await kept.clock.step(1)
        assert not kept.starts.brokers[0].dead()
    assert kept.starts.brokers[0].dead()
    assert kept.starts.brokers[0].stops == 1


def test_what_status_shows_of_a_broker_is_spelled_for_ever():
    assert [state.value for state in State] == ["starting", "running", "down"]


FOREIGN = "device=cam-02 may not publish to line/cam-01/up/data"


def test_all_that_was_refused_is_counted_and_told_in_one_line(caplog: pytest.LogCaptureFixture):
    counted: Counter[str] = Counter()

    def count(counter: str, amount: int, /, **labels: str) -> None:
        counted[f"{counter}:{labels['reason']}"] += amount

    ear = Ear(SteppedClock(), count)
    with caplog.at_level(logging.WARNING):
        ear(Words(FOREIGN, Reason.FOREIGN_TOPIC))
        ear(Words(FOREIGN, Reason.FOREIGN_TOPIC, 17))
        ear(Words("Error: Out of memory.", None))
    assert counted == {"broker_refused_total:foreign-topic": 18}
    assert [record.getMessage() for record in caplog.records] == [
        f"event=broker-says reason=foreign-topic {FOREIGN}",
        f"event=broker-says reason=foreign-topic {FOREIGN} (17 times)",
        "event=broker-says Error: Out of memory.",
    ]


def test_a_flood_of_one_kind_hides_no_other(caplog: pytest.LogCaptureFixture):
    ear = Ear(SteppedClock(), lambda *_, **__: None)
    with caplog.at_level(logging.WARNING):
        for _ in range(10 * LINES_AT_ONCE):
            ear(Words(FOREIGN, Reason.FOREIGN_TOPIC))
        ear(Words("Error: Out of memory.", None))
    assert len(caplog.records) == LINES_AT_ONCE + 1
    assert caplog.records[-1].getMessage() == "event=broker-says Error: Out of memory."
