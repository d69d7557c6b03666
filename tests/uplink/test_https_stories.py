"""Stories told to the fake cloud and to a real one alike, and the whole loop over real TLS."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.model.outcome import MessageClass
from gateway.model.problem import Raised
from gateway.uplink.answer import BackOff, Delivered, Misconfigured, Park, judge
from gateway.uplink.batch import Batch
from gateway.uplink.connectivity import Link
from gateway.uplink.https import Https
from gateway.uplink.service import Cloud, Uplink
from tests.simulators.cloud import Fault, Reply, Script, ScriptedCloud
from tests.simulators.queue import MemoryQueue
from tests.support.company import Company, found, real_clock
from tests.support.tls_server import DAY

BODY = b"sealed bytes"
BATCH = Batch(hashlib.sha256(BODY).hexdigest(), BODY, MessageClass.ALERT, 1, 1)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return found(tmp_path / "company")


@pytest.fixture(params=["fake", "https"])
async def cloud(request, company: Company) -> AsyncIterator[tuple[Cloud, Script]]:
    script = Script()
    if request.param == "fake":
        yield ScriptedCloud(script), script
    else:
        async with (
            company.serving(script) as port,
            Https(company.limits(port), real_clock()) as way,
        ):
            yield way, script


STORIES = {
    "a good cloud": (None, Delivered),
    "a captive portal's 200": (Reply(200, b"<html>Welcome</html>", "text/html"), BackOff),
    "a 200 for another batch": (Reply(200, b'{"batch":"00"}'), BackOff),
    "a redirect": (Reply(302, b"", headers={"Location": "/elsewhere"}), BackOff),
    "a busy cloud": (Reply(503, b"", headers={"Retry-After": "7"}), BackOff),
    "a damaged batch": (Reply(400, b'{"error":"digest-mismatch"}'), Park),
    "a batch too large": (Reply(413, b""), Park),
    "a gateway without permission": (Reply(403, b'{"error":"other-site"}'), Misconfigured),
    "a lost answer": (Fault.LOSE_ANSWER, BackOff),
    "a cut before storing": (Fault.DROP, BackOff),
}


@pytest.mark.parametrize("story", STORIES)
async def test_the_fake_and_the_real_way_judge_alike(cloud: tuple[Cloud, Script], story: str):
    way, script = cloud
    step, verdict = STORIES[story]
    if step is not None:
        script.then(step)
    first = judge(await way.post(BATCH), BATCH.sha256)
    assert isinstance(first, verdict)
    if isinstance(first, BackOff):
        assert first.answered is isinstance(step, Reply)
        assert first.retry_after_s == (7.0 if story == "a busy cloud" else None)
    assert judge(await way.post(BATCH), BATCH.sha256) == Delivered()
    assert script.requests == [(BATCH.sha256, BODY)] * 2


async def test_an_expired_client_certificate_at_the_uplink_is_named_and_a_new_one_heals_it(
    company: Company,
):
    script, clock = Script(), real_clock()
    problems: dict[str, Raised | None] = {}
    company.client = company.authority.client(lifetime=-DAY)
    async with (
        company.serving(script) as port,
        Https(limits := company.limits(port), clock) as way,
        asyncio.TaskGroup() as tasks,
    ):
        queue = MemoryQueue(clock, limits)
        uplink = Uplink(
            witness=lambda _: None,
            queue=queue,
            cloud=way,
            clock=clock,
            entropy=bytes,
            limits=limits,
            minute=lambda: 0,
            report=lambda raised: problems.update({raised.problem.code: raised}),
            clear=lambda code, _: problems.update({code: None}),
            count=lambda *_, **__: None,
        )
        loop = tasks.create_task(uplink.run())
        queue.alert()
        while uplink.standing.link is not Link.MISCONFIGURED:
            await clock.step(await clock.asleep())
        raised = problems["uplink-misconfigured"]
        assert raised is not None
        assert raised.detail.startswith("the client certificate expired on ")
        assert script.headers == []

        company.authority.client()
        while not queue.ended:
            await clock.step(await clock.asleep())
        assert queue.ended == [(script.requests[0][0], "delivered")]
        assert set(problems.values()) == {None}
        loop.cancel()
