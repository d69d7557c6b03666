"""The broker's link as a script: it gives what a test lays in, and logs what was asked of it.

``log`` holds, in order: ("commit", numbers), ("acknowledge", tokens), ("send", topic,
document), and ("point", name) for each named place that the intake passed.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.intake.admitted import Admitted, Arrival
from gateway.intake.wire import Refusal, StatusReport, Telemetry, Unsequenced
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId
from gateway.model.message import Receipt


@dataclass
class ScriptedInbox:
    """Implements ``intake.service.Inbox``: one ``lay`` is what one ``take`` finds."""

    log: list[tuple[Any, ...]] = field(default_factory=list)
    asked: list[tuple[int, float | None]] = field(default_factory=list)
    """Each ``take``: at most how many, within how many seconds."""

    def __post_init__(self) -> None:
        self._laid: deque[list[Delivery]] = deque()
        self._news = asyncio.Event()
        self._tokens = 0
        self.idle = asyncio.Event()
        """Set while the intake waits without an end for a first delivery."""

    def lay(self, *messages: tuple[str, bytes]) -> None:
        """Lay (topic, payload) pairs in; tokens count from 1."""
        found = []
        for topic, payload in messages:
            self._tokens += 1
            found.append(Delivery(topic, payload, False, "", (self._tokens, 1)))  # noqa: FBT003 -- retained
        self._laid.append(found)
        self._news.set()

    async def take(self, most: int, within_s: float | None) -> Sequence[Delivery]:
        self.asked.append((most, within_s))
        if not self._laid:
            if within_s is not None:
                return []
            self.idle.set()
            self._news.clear()
            await self._news.wait()
            self.idle.clear()
        laid = self._laid.popleft()
        if len(laid) > most:
            self._laid.appendleft(laid[most:])
        return laid[:most]

    def acknowledge(self, tokens: Sequence[tuple[int, int]]) -> None:
        self.log.append(("acknowledge", [number for number, _ in tokens]))

    def send(self, topic: str, payload: bytes) -> None:
        self.log.append(("send", topic, msgspec.json.decode(payload)))

    def point(self, name: str) -> None:
        self.log.append(("point", name))


@dataclass
class Ledger:
    """Implements ``intake.service.Admit``: commits in memory, or fails as it is told."""

    log: list[tuple[Any, ...]]
    fails: list[Exception] = field(default_factory=list)
    held: asyncio.Event | None = None
    """Where set, a commit takes until the event is."""

    async def __call__(self, batch: Sequence[tuple[Arrival, bytes]]) -> Admitted:
        self.log.append(("begin", len(batch)))
        if self.held is not None:
            await self.held.wait()
        if self.fails:
            raise self.fails.pop(0)
        result = Admitted()
        marks: dict[tuple[DeviceId, int], int] = {}
        for arrival, _ in batch:
            match arrival:
                case Telemetry(place) | Refusal(place=place) if place is not None:
                    marks[place.key.device, place.key.epoch] = place.key.seq
                    result.stored += isinstance(arrival, Telemetry)
                case StatusReport(answer=False):
                    pass
                case StatusReport():
                    marks.setdefault((arrival.device, arrival.status.last.epoch), 0)
                case Refusal():
                    result.refused.append((arrival.device, arrival.reason))
                case Unsequenced():
                    result.stored += 1
                case Telemetry():  # the first case took it
                    pass
        result.receipts = [
            (device, Receipt(epoch, 0, mark)) for (device, epoch), mark in marks.items()
        ]
        self.log.append(("commit", len(batch)))
        return result


@dataclass
class Listener:
    """Implements ``intake.service.Notice`` and logs what it hears."""

    log: list[tuple[Any, ...]]

    def admitted(self, result: Admitted) -> None:
        self.log.append(("admitted", result.stored))

    def status(self, report: StatusReport) -> None:
        self.log.append(("status", report.device))

    def heard(self, device: DeviceId) -> None:
        self.log.append(("heard", device))
