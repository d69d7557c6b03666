"""Commit, then acknowledge, then receipt: the one order that keeps promise P1."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.intake.limits import IntakeLimits
from gateway.intake.service import Intake
from gateway.intake.wire import Read, read
from gateway.model.allowance import LINES_AT_ONCE
from gateway.model.contract import ContractInForce
from gateway.model.delivery import Delivery
from tests.simulators.clock import SteppedClock
from tests.simulators.inbox import Ledger, Listener, ScriptedInbox
from tests.support.desk import CONTRACT, envelope, log_item

UP = "line/cam-01/up"
LIMITS = IntakeLimits(window=50, commit_messages=4)


def data(seq: int, device: str = "cam-01") -> tuple[str, bytes]:
    whole = envelope(seq) | {"type": "log", "items": [log_item()]}
    return f"line/{device}/up/data", json.dumps(whole).encode()


def status() -> tuple[str, bytes]:
    last = {"epoch": 7, "alert": 0, "data": 0}
    whole = {"v": 1, "state": "online", "profile": "p", "agent": "a", "boot": "b", "synced": True}
    return f"{UP}/status", json.dumps(whole | {"last": last}).encode()


def reading(delivery: Delivery) -> Read:
    known: ContractInForce | None = CONTRACT if "ghost" not in delivery.topic else None
    return read(delivery, known)


class Line:
    """The intake between a scripted inbox and a ledger, and all that happened in one log."""

    def __init__(self, point: Callable[[str], None] | None = None) -> None:
        self.inbox = ScriptedInbox()
        self.log = self.inbox.log
        self.ledger = Ledger(self.log)
        self.clock = SteppedClock()
        self.intake = Intake(
            inbox=self.inbox,
            read=reading,
            admit=self.ledger,
            notice=Listener(self.log),
            clock=self.clock,
            limits=LIMITS,
            point=point or self.inbox.point,
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.intake.run(), name="intake")
            yield
            task.cancel()

    def of(self, *kinds: str) -> list[tuple[Any, ...]]:
        return [entry for entry in self.log if entry[0] in kinds]


async def settle(line: Line) -> None:
    """Return when the intake has done all it can and waits for more."""
    await line.inbox.idle.wait()


async def test_acknowledges_only_what_is_committed():
    line = Line()
    line.ledger.held = asyncio.Event()
    line.inbox.lay(data(1), data(2))
    async with line.running():
        await line.clock.step(10)  # however long the disk takes
        assert line.of("begin", "commit", "acknowledge", "send") == [("begin", 2)]
        line.ledger.held.set()
        await settle(line)
    assert line.of("commit", "acknowledge", "send", "point") == [
        ("point", "before-commit"),
        ("commit", 2),
        ("point", "after-commit"),
        ("acknowledge", [1, 2]),
        ("point", "after-acknowledge"),
        ("send", "line/cam-01/down/receipt", {"epoch": 7, "alert": 0, "data": 2}),
        ("point", "after-receipt"),
    ]


async def test_a_commit_that_fails_acknowledges_nothing_and_sends_nothing():
    line = Line()
    line.ledger.fails = [sqlite3.OperationalError("database or disk is full")]
    line.inbox.lay(data(1))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await line.intake.run()
    assert line.of("commit", "acknowledge", "send", "admitted", "heard") == []


async def test_a_cut_between_commit_and_receipt_promises_nothing_new():
    """The process ends at the named point: the device sends again and is answered then."""

    class CutError(Exception):
        pass

    def cut(name: str) -> None:
        if name == "after-commit":
            raise CutError

    line = Line(point=cut)
    line.inbox.lay(data(1))
    with pytest.raises(CutError):
        await line.intake.run()
    assert line.of("commit", "acknowledge", "send") == [("commit", 1)]


async def test_cancelled_during_a_commit_nothing_is_acknowledged():
    line = Line()
    line.ledger.held = asyncio.Event()
    line.inbox.lay(data(1))
    async with line.running():
        await line.clock.step(1)
    assert line.of("begin", "acknowledge", "send") == [("begin", 1)]


async def test_data_gathers_until_its_linger_is_over_and_an_alert_asks_for_five_milliseconds():
    line = Line()
    line.inbox.lay(data(1))
    async with line.running():
        await settle(line)
    assert line.inbox.asked == [(4, None), (3, 0.25), (4, None)]
    line = Line()
    line.inbox.lay((f"{UP}/alert", b"{}"))
    async with line.running():
        await settle(line)
    assert line.inbox.asked[1] == (3, 0.005)


async def test_a_status_is_as_urgent_as_an_alert_since_its_device_waits_for_the_answer():
    line = Line()
    line.inbox.lay(data(1))
    line.inbox.lay(status())
    async with line.running():
        await settle(line)
    assert line.inbox.asked[:3] == [(4, None), (3, 0.25), (2, 0.005)]
    assert line.of("commit") == [("commit", 2)]


async def test_a_commit_takes_no_more_than_its_bound():
    line = Line()
    line.inbox.lay(*[data(seq, f"cam-{seq}") for seq in range(1, 11)])
    async with line.running():
        await settle(line)
    assert line.of("commit") == [("commit", 4), ("commit", 4), ("commit", 2)]
    assert line.of("acknowledge") == [
        ("acknowledge", [1, 2, 3, 4]),
        ("acknowledge", [5, 6, 7, 8]),
        ("acknowledge", [9, 10]),
    ]


async def test_every_device_gets_its_own_receipt_on_the_topic_of_its_certificate():
    line = Line()
    line.inbox.lay(data(1, "cam-01"), data(5, "cam-02"))
    async with line.running():
        await settle(line)
    assert [(entry[1], entry[2]["data"]) for entry in line.of("send")] == [
        ("line/cam-01/down/receipt", 1),
        ("line/cam-02/down/receipt", 5),
    ]


async def test_what_cannot_be_read_is_acknowledged_too_so_that_it_cannot_block_the_queue(caplog):
    line = Line()
    line.inbox.lay((f"{UP}/data", b"\xff"), (f"{UP}/evidence", b"x"))
    async with line.running():
        await settle(line)
    assert line.of("acknowledge", "send") == [("acknowledge", [1, 2])]
    assert line.of("commit") == [("commit", 1)]  # what a later capability reads is not stored here
    assert line.of("heard") == [("heard", "cam-01"), ("heard", "cam-01")]
    assert "event=refused device=cam-01 reason=malformed" in caplog.text


async def test_a_stranger_is_logged_and_not_heard(caplog):
    line = Line()
    line.inbox.lay(data(1, "ghost"))
    async with line.running():
        await settle(line)
    assert line.of("heard") == []
    assert "event=refused device=ghost reason=unknown-device" in caplog.text


async def test_a_status_is_told_and_answered():
    line = Line()
    line.inbox.lay(status())
    async with line.running():
        await settle(line)
    assert line.of("send") == [
        ("send", "line/cam-01/down/receipt", {"epoch": 7, "alert": 0, "data": 0})
    ]
    assert line.of("status") == [("status", "cam-01")]


async def test_a_device_that_sends_only_rubbish_cannot_fill_the_log(caplog):
    line = Line()
    line.inbox.lay(*[(f"{UP}/data", b"rubbish %d" % number) for number in range(200)])
    async with line.running():
        for _ in range(200):
            await settle(line)
    assert line.of("heard").count(("heard", "cam-01")) == 200
    assert 0 < caplog.text.count("event=refused device=cam-01") <= LINES_AT_ONCE
