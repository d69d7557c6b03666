"""A broker process as a script: when it serves, when it ends, and what it said."""

import asyncio
from dataclasses import dataclass, field

from gateway.broker.service import Running
from gateway.model.errors import OperatorFaultError
from tests.simulators.clock import SteppedClock


class ScriptedBroker:
    """Implements ``broker.service.Running``. ``end`` is its death; ``stops`` counts requests."""

    def __init__(self, pid: int, clock: SteppedClock, serves_after_s: float) -> None:
        self.said: list[str] = []
        self.stops = 0
        self._pid = pid
        self._clock = clock
        self._ready_s = clock.now() + serves_after_s
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        return self._pid

    def dead(self) -> bool:
        return self._code.done()

    def serves(self) -> bool:
        return not self.dead() and self._clock.now() >= self._ready_s

    def end(self, code: int, *said: str) -> None:
        self.said += said
        self._code.set_result(code)

    async def ended(self) -> int:
        return await asyncio.shield(self._code)

    async def stop(self) -> None:
        self.stops += 1
        if not self.dead():
            self._code.set_result(0)


@dataclass
class Starts:
    """Starts one scripted broker after another, or fails as it is told; logs the times."""

    clock: SteppedClock
    serves_after_s: float = 0.1
    fails: list[str] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    brokers: list[ScriptedBroker] = field(default_factory=list)

    async def __call__(self) -> Running:
        self.at_s.append(round(self.clock.now(), 3))
        if self.fails:
            raise OperatorFaultError(self.fails.pop(0))
        broker = ScriptedBroker(100 + len(self.brokers), self.clock, self.serves_after_s)
        self.brokers.append(broker)
        return broker
