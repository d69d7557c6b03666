"""The uplink between good and bad batches: halves, rests, trips, pace and hours, as stories."""

import pytest

from gateway.model.outcome import MessageClass
from gateway.model.outgoing import LogRow, ResultRow
from gateway.uplink.connectivity import Link
from gateway.uplink.limits import UplinkLimits
from gateway.uplink.schedule import Window
from tests.simulators.cloud import Fault, Reply
from tests.uplink.test_service import Site

RESULT, LOG = MessageClass.RESULT, MessageClass.LOG
REFUSED = Reply(422, b'{"error":"document"}')
SMALL = UplinkLimits(batch_max_messages=16, batch_max_age_s=5, live_within_s=86_400)


def limits(**keys: object) -> UplinkLimits:
    return UplinkLimits(batch_max_messages=16, batch_max_age_s=5, live_within_s=86_400, **keys)  # type: ignore[arg-type]


def arrive(site: Site, *labels: str) -> None:
    for label in labels:
        site.queue.arrive(RESULT, ResultRow(1, "m@1", label, 1, 1))


def good(count: int) -> list[str]:
    return [f"ok-{number}" for number in range(count)]


def delivered_rows(site: Site) -> int:
    return site.counts["uplink_rows_total result"]


async def test_a_poison_message_is_found_by_halves_and_parked_alone():
    site = Site(SMALL)
    site.script.about["poison"] = REFUSED
    async with site.running():
        arrive(site, *good(11), "poison", *good(4))
        await site.clock.step(10)
        assert delivered_rows(site) == 15
        assert [site.queue.sealed[sha256].rows for sha256 in site.queue.aside] == [1]
        assert site.stands(Link.ONLINE)
        assert set(site.problems) == {"batches-parked"}
    assert site.counts["uplink_batches_total split"] == 4  # 16, 8, 4, 2
    assert site.counts["uplink_batches_total parked"] == 1
    assert site.script.resent == [], "halves are new batches, refused bytes are not sent again"


async def test_two_poison_messages_of_one_batch_are_both_found():
    site = Site(SMALL)
    site.script.about["poison"] = REFUSED
    async with site.running():
        arrive(site, "poison-1", *good(14), "poison-2")
        await site.clock.step(10)
        assert delivered_rows(site) == 14
        assert [site.queue.sealed[sha256].rows for sha256 in site.queue.aside] == [1, 1]


async def test_what_no_part_of_could_be_taken_is_parked_whole():
    site = Site(SMALL)
    site.script.then(Reply(415, b"{}"))
    async with site.running():
        arrive(site, *good(16))
        await site.clock.step(1)
        assert [site.queue.sealed[sha256].rows for sha256 in site.queue.aside] == [16]


async def test_when_everything_is_refused_nothing_is_parked_and_a_person_resumes():
    site = Site(limits(refused_in_a_row_max=12))
    site.script.about["ok"] = REFUSED
    async with site.running():
        for _ in range(10):
            arrive(site, *good(16))
            await site.clock.step(60)
        assert site.queue.aside == {}
        assert delivered_rows(site) == 0
        assert site.stands(Link.MISCONFIGURED)
        raised = site.problems["parking-tripped"]
        assert raised.detail == "13 refusals in a row and nothing taken between them"
        assert "uplink-misconfigured" not in site.problems
        assert "422" in site.uplink.standing.last_error
        requests = len(site.digests)
        await site.clock.step(600)
        assert len(site.digests) - requests < 60, "it asks seldom while nobody has looked"

        site.script.about.clear()
        site.uplink.resume()
        await site.clock.step(600)
        assert delivered_rows(site) == 160
        assert site.queue.aside == {}
        assert site.problems == {}
        assert site.stands(Link.ONLINE)


async def test_refusals_with_good_batches_between_them_do_not_stop_the_parking():
    site = Site(limits(refused_in_a_row_max=3))
    site.script.about["poison"] = REFUSED
    async with site.running():
        for number in range(8):
            arrive(site, f"poison-{number}")
            await site.clock.step(10)
            arrive(site, f"ok-{number}")
            await site.clock.step(10)
    assert len(site.queue.aside) == 8
    assert "parking-tripped" not in site.problems


async def test_while_nothing_is_parked_any_more_what_the_cloud_takes_still_leaves():
    site = Site(limits(parked_an_hour_max=2))
    site.script.about["poison"] = REFUSED
    async with site.running():
        for number in range(6):
            site.queue.arrive(LOG, LogRow(f"poison-{number}", "info", 1))
            site.queue.alert(f"alert-{number}")
            await site.clock.step(60)
        assert len(site.queue.aside) == 3
        assert site.counts["uplink_rows_total alert"] == 6
        assert site.problems["parking-tripped"].detail.startswith("more than 2 batches parked")


async def test_too_much_parked_within_the_hour_is_still_too_much_after_a_restart():
    site = Site(limits(parked_an_hour_max=2))
    site.queue.parked_at = [site.clock.site()] * 3
    async with site.running():
        assert "parking-tripped" in site.problems
    site.uplink = site.start()
    site.problems.clear()
    await site.clock.step(3_601)
    async with site.running():
        assert site.problems == {}


@pytest.mark.parametrize(
    ("step", "most_s"),
    [
        (Reply(503, b""), 2.5),
        (Reply(200, b"<html>"), 2.5),
        (Fault.DROP, 10),  # alone on the line it cannot be told from a dead line
    ],
)
async def test_a_batch_that_never_gets_a_good_answer_does_not_hold_back_the_others(step, most_s):
    site = Site(SMALL)
    site.queue.alert()
    async with site.running():
        await site.clock.step(1)  # the way is free
        site.script.about["stuck"] = step
        arrive(site, "stuck")
        await site.clock.step(6)
        waits: list[float] = []
        for number in range(60):
            site.queue.alert(f"alert-{number}")
            arrive(site, f"ok-{number}")
            begin = site.clock.now()
            before = site.counts["uplink_rows_total alert"]
            while site.counts["uplink_rows_total alert"] == before:
                await site.clock.step(0.5)
            waits.append(site.clock.now() - begin)
            await site.clock.step(10)
        assert delivered_rows(site) == 60
        assert max(waits) <= most_s
        stuck = [sha256 for sha256 in site.queue.sealed if sha256 in site.digests]
        tries = site.digests.count(stuck[0])
        assert 5 <= tries <= 20, "it is tried again, more and more seldom"
        site.script.about.clear()
        await site.clock.step(300)
        assert site.queue.sealed == {}


async def test_of_one_class_a_bounded_number_of_failing_batches_stands_aside():
    site = Site(SMALL)
    site.script.about["ok"] = Reply(503, b"")
    async with site.running():
        for _ in range(20):
            arrive(site, *good(16))
            await site.clock.step(60)
        assert len(site.queue.sealed) == 4
        site.script.about.clear()
        await site.clock.step(600)
    assert delivered_rows(site) == 320


async def test_what_may_have_come_before_is_marked_and_first_sends_are_not():
    site = Site(SMALL)
    site.script.then(Fault.LOSE_ANSWER, Reply(503, b""))
    async with site.running():
        arrive(site, *good(3))
        await site.clock.step(60)
    first = site.digests[0]
    assert site.digests == [first] * 3
    assert site.script.resent == [first] * 2
    assert site.counts["uplink_resent_total"] == 2


async def test_a_pace_is_kept_and_alerts_do_not_wait_for_it():
    site = Site(limits(bytes_per_s=10))
    async with site.running():
        arrive(site, *good(16))
        await site.clock.step(1)
        size = len(site.script.requests[0][1])
        arrive(site, *good(16))
        await site.clock.step(size / 10 - 3)
        assert len(site.digests) == 1, "the first is not paid for yet"
        site.queue.alert()
        await site.clock.step(1)
        assert site.counts["uplink_rows_total alert"] == 1
        await site.clock.step(3)
        assert len(site.digests) == 2, "what the alert took is owed too"
        await site.clock.step(60)
        assert delivered_rows(site) == 32


async def test_a_class_waits_for_its_hours_and_alerts_leave_at_any():
    day = Window("06:00", "22:00", 0, ("result",))
    site = Site(limits(window=(day,)))
    site.minute = 12 * 60
    async with site.running():
        site.queue.arrive(LOG, LogRow("t", "info", 1))
        arrive(site, "ok")
        site.queue.alert()
        await site.clock.step(120)
        assert (delivered_rows(site), site.counts["uplink_rows_total alert"]) == (1, 1)
        assert site.counts["uplink_rows_total log"] == 0
        site.minute = 22 * 60
        await site.clock.step(120)
        assert site.counts["uplink_rows_total log"] == 1


async def test_after_an_outage_what_rested_is_tried_at_once():
    site = Site(SMALL)
    site.script.then(*[Reply(502, b"")] * 9)
    async with site.running():
        arrive(site, "first")
        await site.clock.step(200)
        assert site.stands(Link.OFFLINE)
        rested = site.digests[0]
        while len(site.digests) < 9:
            await site.clock.step(10)
        site.queue.alert()
        await site.clock.step(2)
        assert site.stands(Link.ONLINE)
        assert (rested, "delivered") in site.queue.ended


async def test_an_alert_in_an_outage_asks_the_way_again_and_not_more_often_than_bearable():
    site = Site(SMALL)
    site.script.then(*[Fault.DROP] * 1_000)
    async with site.running():
        site.queue.alert()
        await site.clock.step(1_200)
        alone = len(site.digests)
        assert alone < 20
        for number in range(60):
            site.queue.alert(f"alert-{number}")
            await site.clock.step(1)
        assert 4 <= len(site.digests) - alone <= 7
        site.script.steps.clear()
        site.queue.alert("the way is back")
        await site.clock.step(12)
        assert site.stands(Link.ONLINE)
        assert site.queue.sealed == {}


async def test_no_alert_cuts_short_what_the_cloud_asked_for():
    site = Site(SMALL)
    site.script.then(Reply(503, b"", headers={"Retry-After": "120"}))
    async with site.running():
        site.queue.alert()
        await site.clock.step(10)
        site.queue.alert("another")
        await site.clock.step(100)
        assert len(site.digests) == 1
