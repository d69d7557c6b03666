"""The uplink's loop told as stories: a scripted cloud, a queue in memory, a clock by hand."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.model.outcome import MessageClass
from gateway.model.outgoing import LogRow, ResultRow
from gateway.model.problem import Raised
from gateway.model.time import UnixMs
from gateway.uplink.connectivity import Link
from gateway.uplink.limits import UplinkLimits
from gateway.uplink.service import LOOK_AGAIN_S, Uplink
from tests.simulators.clock import SteppedClock
from tests.simulators.cloud import Fault, Reply, Script, ScriptedCloud
from tests.simulators.queue import KilledError, MemoryQueue

LIMITS = UplinkLimits(batch_max_messages=10, batch_max_age_s=30)
PORTAL = Reply(200, b"<html>Please sign in</html>", "text/html")
HALF = b"\x80" + bytes(6)
"""Entropy that draws half of each wait."""


class Site:
    """An uplink with everything around it simulated."""

    def __init__(self, limits: UplinkLimits = LIMITS) -> None:
        self.limits = limits
        self.minute = 0
        self.clock = SteppedClock()
        self.script = Script()
        self.cloud = ScriptedCloud(self.script)
        self.queue = MemoryQueue(self.clock, limits)
        self.problems: dict[str, Raised] = {}
        self.counts: Counter[str] = Counter()
        self.witnessed: list[UnixMs] = []
        self.uplink = self.start()

    def start(self) -> Uplink:
        return Uplink(
            witness=self.witnessed.append,
            queue=self.queue,
            cloud=self.cloud,
            clock=self.clock,
            entropy=lambda size: HALF[:size],
            limits=self.limits,
            minute=lambda: self.minute,
            report=self._report,
            clear=self._clear,
            count=self._count,
        )

    def _report(self, raised: Raised) -> None:
        self.problems[raised.problem.code] = raised

    def _clear(self, code: str, subject: str) -> None:
        self.problems.pop(code, None)

    def _count(self, counter: str, amount: int, /, **labels: str) -> None:
        self.counts[" ".join([counter, *labels.values()])] += amount

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            loop = tasks.create_task(self.uplink.run(), name="uplink")
            await self.clock.asleep()
            yield
            loop.cancel()

    def stands(self, link: Link) -> bool:
        return self.uplink.standing.link is link

    @property
    def digests(self) -> list[str]:
        return [digest for digest, _ in self.script.requests]


@pytest.fixture
async def site() -> Site:
    return Site()


async def test_an_alert_leaves_within_half_a_second(site: Site):
    async with site.running():
        site.queue.alert()
        await site.clock.step(0.5)
        assert site.queue.ended == [(site.digests[0], "delivered")]
        assert site.stands(Link.ONLINE)
    assert site.counts == {
        "uplink_batches_total delivered": 1,
        "uplink_rows_total alert": 1,
        "uplink_bytes_total": len(site.script.requests[0][1]),
    }


async def test_an_idle_uplink_sends_nothing(site: Site):
    async with site.running():
        await site.clock.step(3600)
        assert site.script.requests == []


async def test_results_wait_for_company_and_leave_together(site: Site):
    async with site.running():
        for number in range(3):
            site.queue.arrive(MessageClass.RESULT, ResultRow(number, "m@1", "ok", 1, 1))
            await site.clock.step(5)
        assert site.script.requests == []
        await site.clock.step(20)
        assert len(site.script.requests) == 1


async def test_a_lost_answer_sends_the_identical_bytes_again(site: Site):
    site.script.then(Fault.LOSE_ANSWER)
    async with site.running():
        site.queue.alert()
        await site.clock.step(2)
    first, second = site.script.requests
    assert first == second
    assert site.script.ledger == {first[0]: 2}
    assert site.queue.ended == [(first[0], "delivered")]


async def test_a_captive_portals_200_delivers_nothing(site: Site):
    site.script.then(*[PORTAL] * 4)
    async with site.running():
        site.queue.alert()
        await site.clock.step(5)
        assert len(set(site.digests)) == 1
        assert len(site.digests) > 2
        assert site.queue.ended == []
        assert site.stands(Link.DEGRADED)
        assert "sign-in page" in site.uplink.standing.last_error
        await site.clock.step(60)
        assert site.queue.ended == [(site.digests[0], "delivered")]
    assert site.script.ledger == {site.digests[0]: 1}


async def test_an_outage_raises_a_problem_and_everything_drains_after_it(site: Site):
    site.script.then(*[Fault.DROP] * 12)
    async with site.running():
        for minute in range(20):
            site.queue.alert(f"label-{minute}")
            site.queue.arrive(MessageClass.LOG, LogRow(f"t{minute}", "info", 1))
            await site.clock.step(60)
            if len(site.digests) == 12:
                break
            assert site.queue.ended == []
        assert site.stands(Link.OFFLINE)
        assert site.problems["uplink-offline"].detail == Fault.DROP.value
        await site.clock.step(600)
        assert site.stands(Link.ONLINE)
        assert site.problems == {}
    assert site.queue.sealed == {}
    assert set(site.script.ledger.values()) == {1}
    first_end = site.queue.ended[0]
    assert first_end == (site.digests[0], "delivered")


async def test_after_an_outage_alerts_leave_before_what_is_older(site: Site):
    site.script.then(Fault.DROP, Fault.DROP)
    async with site.running():
        for number in range(10):
            site.queue.arrive(MessageClass.RESULT, ResultRow(number, "m@1", "ok", 1, 1))
        await site.clock.step(0.1)
        assert len(site.digests) == 1  # the results, not taken
        site.queue.alert()
        await site.clock.step(60)
    ended = [digest for digest, _ in site.queue.ended]
    results, alert = site.digests[0], ended[0]
    assert alert != results
    assert ended == [alert, results]


async def test_waits_between_tries_grow_up_to_the_ceiling(site: Site):
    site.script.then(*[Fault.DROP] * 12)
    waits: list[float] = []
    async with site.running():
        site.queue.alert()
        await site.clock.step(0.3)
        while len(site.digests) < 12:
            waits.append(await site.clock.asleep())
            await site.clock.step(waits[-1])
    assert [round(wait, 1) for wait in waits[1:]] == [1, 2, 4, 8, 16, 32, 64, 128, 150, 150]


async def test_a_clouds_wish_for_a_pause_is_honoured(site: Site):
    site.script.then(Reply(503, b"", headers={"Retry-After": "120"}))
    async with site.running():
        site.queue.alert()
        await site.clock.step(119)
        assert len(site.digests) == 1
        await site.clock.step(3)
        assert len(site.digests) == 2
    assert site.queue.ended == [(site.digests[0], "delivered")]


async def test_a_refused_batch_is_parked_and_the_next_one_leaves(site: Site):
    site.script.then(Reply(422, b'{"error":"document"}'))
    async with site.running():
        site.queue.alert("bad")
        await site.clock.step(1)
        site.queue.alert("good")
        await site.clock.step(1)
    bad, good = site.digests
    assert site.queue.ended == [(bad, "parked"), (good, "delivered")]
    assert site.stands(Link.ONLINE)
    reason = "422: the content breaks a rule of the cloud (document)"
    assert site.problems["batches-parked"].detail == f"1 batch is parked; {reason}"


async def test_what_is_parked_is_still_a_problem_after_a_restart(site: Site):
    site.queue.aside["ab" * 32] = "422"
    async with site.running():
        assert site.problems["batches-parked"].detail == "1 batch is parked"


async def test_a_401_stops_the_uplink_and_a_probe_finds_it_repaired(site: Site):
    site.script.then(Reply(401, b""))
    async with site.running():
        site.queue.alert()
        await site.clock.step(59)
        assert site.digests == site.digests[:1]
        assert site.stands(Link.MISCONFIGURED)
        assert site.problems["uplink-misconfigured"].detail.startswith("401: the cloud does not")
        await site.clock.step(LOOK_AGAIN_S + 1)
        assert site.queue.ended == [(site.digests[0], "delivered")]
        assert site.stands(Link.ONLINE)
        assert site.problems == {}


async def test_new_files_are_tried_at_once(site: Site):
    site.cloud.refusal = "the client certificate expired"
    async with site.running():
        site.queue.alert()
        await site.clock.step(10)
        assert site.stands(Link.MISCONFIGURED)
        assert site.problems["uplink-misconfigured"].detail == "the client certificate expired"
        site.cloud.refusal = None
        await site.clock.step(10)
        assert site.queue.ended == []  # nobody told the uplink
        site.cloud.files = "new certificate"
        await site.clock.step(LOOK_AGAIN_S)
        assert [how for _, how in site.queue.ended] == ["delivered"]


async def run_until_killed(site: Site) -> None:
    async with site.running():
        site.queue.alert()
        await site.clock.step(1)


async def test_a_cut_between_the_answer_and_its_record_sends_again_what_was_sent(site: Site):
    site.queue.cut_before_delivered = True
    with pytest.raises(ExceptionGroup) as caught:
        await run_until_killed(site)
    assert caught.group_contains(KilledError)

    site.uplink = site.start()
    async with site.running():
        await site.clock.step(1)
    first, second = site.script.requests
    assert first == second
    assert site.script.ledger == {first[0]: 2}
    assert site.queue.ended == [(first[0], "delivered")]


async def test_a_burst_of_arrivals_asks_the_queue_a_bounded_number_of_times(site: Site):
    async with site.running():
        for number in range(200):
            site.queue.arrive(MessageClass.LOG, LogRow(f"t{number}", "info", 1))
            await site.clock.step(0.005)
        await site.clock.step(0.1)
    assert len(site.queue.ended) == 20
    assert site.queue.asked < 80


async def test_only_an_answer_that_ends_a_batch_bears_witness_to_the_time(site: Site):
    site.script.date = UnixMs(1_790_000_123_000)
    site.script.then(PORTAL)
    async with site.running():
        site.queue.arrive(MessageClass.LOG, LogRow("t", "info", 1))
        await site.clock.step(30.1)
        assert len(site.script.requests) == 1
        assert site.witnessed == []
        await site.clock.step(30)
        assert site.witnessed == [1_790_000_123_000]
