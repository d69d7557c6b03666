"""Seals what is due and sends what is sealed, one batch at a time, until cancelled.

A batch ends in the queue only after the cloud's answer said so (promise P4). Crash: killed
between the answer and ``delivered``, the same bytes are sent again, and the cloud counts
a digest once.
"""

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Protocol, assert_never

from gateway.model.problem import Raised
from gateway.model.time import Clock, UnixMs
from gateway.uplink import backoff, problems
from gateway.uplink.answer import (
    Answer,
    BackOff,
    Delivered,
    Misconfigured,
    Park,
    Unaccepted,
    Unreached,
    Verdict,
    judge,
)
from gateway.uplink.batch import Batch
from gateway.uplink.connectivity import Standing, advance, start
from gateway.uplink.limits import UplinkLimits

log = logging.getLogger(__name__)

IDLE_MAX_S: Final = 60.0
"""The longest sleep of an idle uplink, should a wake-up ever be missed."""
SETTLE_S: Final = 0.05
"""Arrivals come in bursts: the queue is asked at most this often while it fills."""
LOOK_AGAIN_S: Final = 2.0
"""While misconfigured: how soon changed files are noticed."""


class Queue(Protocol):
    """The durable queue. Each method returns only after its commit reached the disk."""

    async def seal(self) -> float | None:
        """Seal the most urgent batch that is due, if one is.

        Returns 0 when one was sealed (there may be more), else the seconds until the
        next becomes due, and None when nothing waits.
        """
        ...

    async def next(self) -> Batch | None:
        """Return the sealed batch to send: alerts first, then the oldest; or None."""
        ...

    async def delivered(self, sha256: str) -> None:
        """End the batch's messages as delivered. Doing it twice changes nothing."""
        ...

    async def park(self, sha256: str, reason: str) -> None:
        """End the batch's messages as parked. It is kept, and ``next`` passes it over."""
        ...

    async def parked(self) -> int:
        """Return how many batches are parked."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or at once when anything arrived since the last ``seal``."""
        ...


class Cloud(Protocol):
    """The way out: ``https.Https``, or a fake."""

    def fingerprint(self) -> Hashable:
        """Return a value that changes when the operator changes a file of the uplink."""
        ...

    async def post(self, batch: Batch) -> Answer | Unreached | Unaccepted:
        """Send once and say what came of it. Raises nothing that a retry could mend."""
        ...


class Count(Protocol):
    """Adds to a counter of the process."""

    def __call__(self, counter: str, amount: int, /, **labels: str) -> None: ...


@dataclass(kw_only=True, eq=False)
class Uplink:
    """The loop, and how it stands for whoever asks."""

    queue: Queue
    cloud: Cloud
    clock: Clock
    entropy: Callable[[int], bytes]
    limits: UplinkLimits
    report: Callable[[Raised], None]
    clear: Callable[[str, str], None]
    """Ends a problem: code, subject."""
    count: Count
    witness: Callable[[UnixMs], None]
    """Hears the cloud's clock from an answer that was the cloud's beyond doubt."""
    standing: Standing = field(init=False)

    def __post_init__(self) -> None:
        self.standing = start(self.clock.site(), configured=True)

    async def run(self) -> None:
        """Seal and send until cancelled. Cancelled anywhere, the next start goes on there."""
        await self._tell_parked("")
        while True:
            due_in_s = await self.queue.seal()
            batch = await self.queue.next()
            if batch is not None:
                await self._send(batch)
            elif due_in_s != 0:
                await self.queue.wait(IDLE_MAX_S if due_in_s is None else due_in_s)
                await self.clock.sleep(SETTLE_S)

    async def _send(self, batch: Batch) -> None:
        """Send once, record what it means, and wait as long as that asks for."""
        fingerprint = self.cloud.fingerprint()
        outcome = await self.cloud.post(batch)
        verdict = judge(outcome, batch.sha256)
        match verdict:
            case Delivered():
                await self.queue.delivered(batch.sha256)
                self._tell("delivered", batch, verdict)
                if isinstance(outcome, Answer) and outcome.date is not None:
                    self.witness(outcome.date)
            case Park(reason):
                await self.queue.park(batch.sha256, reason)
                self._tell("parked", batch, verdict)
                log.warning("parked %r: %s", batch, reason)
                await self._tell_parked(reason)
            case Misconfigured():
                self._tell("misconfigured", batch, verdict)
                await self._wait_for_operator(fingerprint)
            case BackOff(retry_after_s=retry_after_s):
                self._tell("backed-off", batch, verdict)
                drawn = backoff.chance(self.entropy(7))
                ceiling_s = self.limits.retry_ceiling_s
                delay_s = backoff.delay_s(self.standing.failures, drawn, ceiling_s, retry_after_s)
                await self.clock.sleep(delay_s)
            case _:
                assert_never(verdict)

    async def _wait_for_operator(self, fingerprint: Hashable) -> None:
        """Wait for the next probe, or until a file is not what it was before the last try."""
        left_s = self.limits.probe_every_s
        while left_s > 0 and self.cloud.fingerprint() == fingerprint:
            await self.clock.sleep(min(LOOK_AGAIN_S, left_s))
            left_s -= LOOK_AGAIN_S

    def _tell(self, answer: str, batch: Batch, verdict: Verdict) -> None:
        self.count("uplink_batches_total", 1, answer=answer)
        if isinstance(verdict, Delivered):
            self.count("uplink_rows_total", batch.rows, message_class=batch.message_class.value)
            self.count("uplink_bytes_total", len(batch.body))
        before, self.standing = (
            self.standing,
            advance(self.standing, verdict, self.clock.site()),
        )
        if before.link is not self.standing.link:
            log.info("uplink is %s %s", self.standing.link.value, self.standing.last_error)
        raised = problems.of_standing(self.standing)
        for problem in (problems.UPLINK_OFFLINE, problems.UPLINK_MISCONFIGURED):
            if raised is None or raised.problem is not problem:
                self.clear(problem.code, problems.SUBJECT)
        if raised is not None:
            self.report(raised)

    async def _tell_parked(self, reason: str) -> None:
        raised = problems.of_parked(await self.queue.parked(), reason)
        if raised is None:
            self.clear(problems.BATCHES_PARKED.code, problems.SUBJECT)
        else:
            self.report(raised)
