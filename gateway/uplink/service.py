"""Seals what is due and sends what is sealed, one batch at a time, until cancelled.

A batch ends in the queue only after the cloud's answer said so (promise P4). Crash: killed
between the answer and ``delivered``, the same bytes are sent again, and the cloud counts
a digest once.

What a failed try says of the way stops everything for a while; what may be the fault of one
batch lets that batch rest alone (``resting``), so that it never holds back all others.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, assert_never

from gateway.model.outcome import MessageClass
from gateway.model.problem import Raised
from gateway.model.time import Clock, Instant, SiteTime, UnixMs
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
from gateway.uplink.pacing import Debt
from gateway.uplink.resting import Resting, stops_all, woken
from gateway.uplink.schedule import Rule, in_force
from gateway.uplink.trip import HOUR_MS, Refusals
from gateway.uplink.turn import Turn

log = logging.getLogger(__name__)

IDLE_MAX_S: Final = 60.0
"""The longest sleep of an idle uplink, should a wake-up ever be missed, or the hour strike."""
SETTLE_S: Final = 0.05
"""Arrivals come in bursts: the queue is asked at most this often while it fills."""
ALERT_PROBE_S: Final = 10.0
"""While nothing gets through: an alert that comes asks the way again, not more often than this."""
LOOK_AGAIN_S: Final = 2.0
"""While misconfigured: how soon changed files are noticed."""


class Queue(Protocol):
    """The durable queue. Each method returns only after its commit reached the disk."""

    async def seal(self, turn: Turn) -> float | None:
        """Seal the most urgent batch that is due and of whose class one more may be sealed.

        Returns 0 when one was sealed (there may be more), else the seconds until the
        next becomes due, and None when nothing waits.
        """
        ...

    async def next(self, turn: Turn) -> Batch | None:
        """Return the sealed batch to send (``turn.choose``); None when all must wait."""
        ...

    async def delivered(self, sha256: str) -> None:
        """End the batch's messages as delivered. Doing it twice changes nothing."""
        ...

    async def split(self, sha256: str) -> bool:
        """Seal the batch's messages anew in two halves; False if there are not two to part."""
        ...

    async def park(self, sha256: str, reason: str) -> None:
        """End the batch's messages as parked. It is kept, and ``next`` passes it over."""
        ...

    async def parked(self) -> int:
        """Return how many batches are parked."""
        ...

    async def parked_since(self, since: SiteTime, most: int) -> Sequence[SiteTime]:
        """Return when batches were parked after ``since``: the latest ``most``."""
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
    minute: Callable[[], int]
    """Returns the minute of the day on the site's own clock on the wall, 0 to 1439."""
    report: Callable[[Raised], None]
    clear: Callable[[str, str], None]
    """Ends a problem: code, subject."""
    count: Count
    witness: Callable[[UnixMs], None]
    """Hears the cloud's clock from an answer that was the cloud's beyond doubt."""
    standing: Standing = field(init=False)
    refusals: Refusals = field(default=Refusals(), init=False)
    _resting: Resting = field(default=Resting(), init=False)
    _debt: Debt = field(default=Debt(Instant(0)), init=False)
    _last_reason: str = field(default="", init=False)
    _told_parked: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.standing = start(self.clock.site(), configured=True)

    def resume(self) -> None:
        """Let refused batches be parked again: a person has looked at what was refused."""
        self.refusals = Refusals()
        self._resting = self._resting.awake(self.clock.now())
        self.clear(problems.PARKING_TRIPPED.code, problems.SUBJECT)

    async def run(self) -> None:
        """Seal and send until cancelled. Cancelled anywhere, the next start goes on there."""
        now = self.clock.site()
        most = self.limits.parked_an_hour_max + 1
        parked = await self.queue.parked_since(SiteTime(now - HOUR_MS), most)
        self.refusals = self.refusals.parked(parked, self.limits, now)
        self._tell_tripped()
        while True:
            rule = in_force(self.limits.window, self.limits.bytes_per_s, self.minute())
            turn = Turn(rule.classes, self._resting.at(self.clock.now()))
            due_in_s = await self.queue.seal(turn)
            batch = await self.queue.next(turn)
            if batch is not None:
                look_in_s = IDLE_MAX_S if due_in_s is None else due_in_s
                await self._send_in_time(batch, rule, look_in_s)
            elif due_in_s != 0:
                await self.tell_parked()
                ends_in_s = self._resting.first_in_s(self.clock.now())
                waits = [one for one in (due_in_s, ends_in_s, IDLE_MAX_S) if one is not None]
                await self.queue.wait(min(waits))
                await self.clock.sleep(SETTLE_S)

    async def _send_in_time(self, batch: Batch, rule: Rule, look_in_s: float) -> None:
        """Send ``batch`` if the pace lets it leave now, else wait for that or for an alert."""
        self._debt = self._debt.paid(rule.bytes_per_s, self.clock.now())
        alert = batch.message_class is MessageClass.ALERT
        wait_s = 0.0 if alert else self._debt.wait_s(rule.bytes_per_s)
        if wait_s > 0:
            await self.queue.wait(min(wait_s, look_in_s, IDLE_MAX_S))
            await self.clock.sleep(min(wait_s, SETTLE_S))
            return
        self._debt = self._debt.spent(len(batch.body), rule.bytes_per_s, alert=alert)
        resent = batch.resent or self._resting.failures(batch.sha256) > 0
        await self._send(replace(batch, resent=resent))

    async def _send(self, batch: Batch) -> None:
        """Send once, record what it means, and wait as long as that asks for."""
        fingerprint = self.cloud.fingerprint()
        outcome = await self.cloud.post(batch)
        verdict = judge(outcome, batch.sha256)
        match verdict:
            case Delivered():
                await self.queue.delivered(batch.sha256)
                self.refusals = self.refusals.taken()
                self._resting = self._resting.ended(batch.sha256)
                self._tell("delivered", batch, verdict)
                if isinstance(outcome, Answer) and outcome.date is not None:
                    self.witness(outcome.date)
            case Park(reason):
                await self._refused(batch, reason, verdict)
            case Misconfigured():
                self._tell("misconfigured", batch, verdict)
                await self._wait_for_operator(fingerprint)
            case BackOff():
                await self._back_off(batch, verdict)
            case _:
                assert_never(verdict)

    async def _refused(self, batch: Batch, reason: str, verdict: Park) -> None:
        """Find the one bad message by halves, and park it; nothing if too much is refused."""
        self.refusals = self.refusals.refused(self.limits)
        if self.refusals.tripped:
            self._tell("refused", batch, Misconfigured(f"{self.refusals.why}; the last: {reason}"))
            self._rest(batch, self._delay_s(self._resting.failures(batch.sha256) + 1))
            return
        if verdict.divisible and await self.queue.split(batch.sha256):
            self._tell("split", batch, verdict)
            log.warning("event=batch-split %r: %s", batch, reason)
        else:
            await self.queue.park(batch.sha256, reason)
            now = self.clock.site()
            self.refusals = self.refusals.parked([now], self.limits, now)
            self._last_reason = reason
            self._tell("parked", batch, verdict)
            log.warning("event=batch-parked %r: %s", batch, reason)
            await self.tell_parked()
        self._resting = self._resting.ended(batch.sha256)

    async def _back_off(self, batch: Batch, verdict: BackOff) -> None:
        before = self.standing.link
        self._tell("backed-off", batch, verdict)
        if stops_all(before, answered=verdict.answered, asked=verdict.retry_after_s is not None):
            self._rest(batch, 0)
            delay_s = self._delay_s(self.standing.failures, verdict.retry_after_s)
            if verdict.retry_after_s is None:
                await self._pause(delay_s)
            else:
                await self.clock.sleep(delay_s)  # the cloud's wish holds for alerts, too
        else:
            self._rest(batch, self._delay_s(self._resting.failures(batch.sha256) + 1))

    async def _pause(self, seconds: float) -> None:
        """Wait, but for an alert that comes meanwhile no longer than ``ALERT_PROBE_S``."""
        begin = self.clock.now()
        await self.queue.wait(seconds)
        waited_s = self.clock.now() - begin
        await self.clock.sleep(min(seconds, max(waited_s, ALERT_PROBE_S)) - waited_s)

    def _rest(self, batch: Batch, seconds: float) -> None:
        until = Instant(self.clock.now() + seconds)
        self._resting = self._resting.failed(batch.sha256, until)

    def _delay_s(self, failures: int, retry_after_s: float | None = None) -> float:
        drawn = backoff.chance(self.entropy(7))
        return backoff.delay_s(failures, drawn, self.limits.retry_ceiling_s, retry_after_s)

    async def _wait_for_operator(self, fingerprint: Hashable) -> None:
        """Wait for the next probe, or until a file is not what it was before the last try."""
        left_s = self.limits.probe_every_s
        while left_s > 0 and self.cloud.fingerprint() == fingerprint:
            await self.clock.sleep(min(LOOK_AGAIN_S, left_s))
            left_s -= LOOK_AGAIN_S

    def _tell(self, answer: str, batch: Batch, verdict: Verdict) -> None:
        self.count("uplink_batches_total", 1, answer=answer)
        if batch.resent:
            self.count("uplink_resent_total", 1)
        if isinstance(verdict, Delivered):
            self.count("uplink_rows_total", batch.rows, message_class=batch.message_class.value)
            self.count("uplink_bytes_total", len(batch.body))
        before, self.standing = (
            self.standing,
            advance(self.standing, verdict, self.clock.site()),
        )
        if before.link is not self.standing.link:
            log.info("uplink is %s %s", self.standing.link.value, self.standing.last_error)
            if woken(before.link, self.standing.link):
                self._resting = self._resting.awake(self.clock.now())
        raised = problems.of_standing(self.standing, tripped=self.refusals.tripped)
        for problem in (problems.UPLINK_OFFLINE, problems.UPLINK_MISCONFIGURED):
            if raised is None or raised.problem is not problem:
                self.clear(problem.code, problems.SUBJECT)
        if raised is not None:
            self.report(raised)
        self._tell_tripped()

    def _tell_tripped(self) -> None:
        raised = problems.of_refusals(self.refusals)
        if raised is not None:
            self.report(raised)

    async def tell_parked(self) -> None:
        """Report how many batches are parked, where that is news."""
        parked = await self.queue.parked()
        if parked == self._told_parked:
            return
        self._told_parked = parked
        raised = problems.of_parked(parked, self._last_reason)
        if raised is None:
            self.clear(problems.BATCHES_PARKED.code, problems.SUBJECT)
        else:
            self.report(raised)
