"""Keep a managed broker running, and notice when it only seems to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from gateway.broker.problems import BROKER_DOWN
from gateway.broker.words import Reason, Words
from gateway.model.allowance import Allowance
from gateway.model.errors import OperatorFaultError
from gateway.model.problem import Raised
from gateway.model.time import Clock

LOG = logging.getLogger(__name__)

SUBJECT: Final = "broker"
START_LIMIT_S: Final = 10.0
START_POLL_S: Final = 0.02
BACK_OFF_FIRST_S: Final = 0.2
BACK_OFF_MOST_S: Final = 10.0
STEADY_S: Final = 30.0
REFUSED: Final = "broker_refused_total"


class Count(Protocol):
    """Adds to a counter; labels are few and known."""

    def __call__(self, counter: str, amount: int, /, **labels: str) -> None: ...


class Running(Protocol):
    """A started broker. ``ended`` returns when it is dead; ``said`` are its last words."""

    @property
    def said(self) -> list[str]: ...
    @property
    def pid(self) -> int: ...
    def serves(self) -> bool: ...
    async def ended(self) -> int: ...
    async def stop(self) -> None: ...


class State(Enum):
    """What ``status`` shows of the broker; spelled for ever."""

    STARTING = "starting"
    RUNNING = "running"
    DOWN = "down"


@dataclass(slots=True)
class Seen:
    """What is known of the broker now."""

    state: State = State.STARTING
    pid: int | None = None
    running: Running | None = None
    """The child, where the gateway manages it."""


class Ear:
    """Hears what mosquitto says: counts what it refused, and logs it within an allowance.

    One a reason, so that a flood of one kind hides no other.
    """

    def __init__(self, clock: Clock, count: Count) -> None:
        self._clock = clock
        self._count = count
        self._allowances: dict[Reason | None, Allowance] = {}

    def __call__(self, words: Words) -> None:
        """Hear one line, said ``words.times``."""
        if words.reason is not None:
            self._count(REFUSED, words.times, reason=words.reason.value)
        now = self._clock.now()
        allowance = self._allowances.get(words.reason, Allowance(now))
        self._allowances[words.reason], unlogged = allowance.spend(now)
        if unlogged is not None:
            reason = f" reason={words.reason.value}" if words.reason else ""
            times = f" ({words.times} times)" if words.times > 1 else ""
            more = f" ({unlogged} lines before it were not logged)" if unlogged else ""
            LOG.warning("event=broker-says%s %s%s%s", reason, words.text, times, more)


async def _serves(broker: Running, end: asyncio.Task[int], clock: Clock) -> bool:
    """Return whether the broker serves, as soon as that is known."""
    for _ in range(int(START_LIMIT_S / START_POLL_S)):
        if broker.serves():
            return True
        if end.done():
            return False
        await clock.sleep(START_POLL_S)
    return False


async def _one_life(broker: Running, seen: Seen, clock: Clock) -> str:
    """See one broker from its start to its end; return why it ended."""
    async with asyncio.TaskGroup() as tasks:
        end = tasks.create_task(broker.ended(), name="broker-end")
        try:
            if await _serves(broker, end, clock):
                seen.state = State.RUNNING
                await asyncio.wait([end])
        finally:
            await broker.stop()
    words = "; ".join(broker.said[-3:]) or "it said nothing"
    return f"mosquitto ended with code {end.result()}: {words}"


async def keep(
    start: Callable[[], Awaitable[Running]],
    seen: Seen,
    *,
    clock: Clock,
    report: Callable[[Raised], None],
) -> None:
    """Start the broker, and start it again whenever it ends, with a growing pause."""
    pause_s = BACK_OFF_FIRST_S
    while True:
        began = clock.now()
        seen.state = State.STARTING
        try:
            broker = await start()
            seen.pid, seen.running = broker.pid, broker
            why = await _one_life(broker, seen, clock)
        except OperatorFaultError as error:
            why = str(error)
        seen.state, seen.pid, seen.running = State.DOWN, None, None
        LOG.error("event=broker-down %s", why)
        report(Raised(BROKER_DOWN, SUBJECT, why))
        if clock.now() - began > STEADY_S:
            pause_s = BACK_OFF_FIRST_S
        await clock.sleep(pause_s)
        pause_s = min(2 * pause_s, BACK_OFF_MOST_S)
