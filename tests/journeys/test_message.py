"""The message journey on real parts: device, broker, intake, spool, uplink, cloud."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.joined import ENDED, Joined, join
from tests.support.line_device import LineDevice
from tests.support.raw_device import RawDevice, alert, result
from tests.support.site import Document, Site
from tests.support.until import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with tempfile.TemporaryDirectory(prefix="sg-cloud-") as folder:
        made = Cloud(Path(folder))
        made.init()
        made.start()
        yield made
        made.close()


@pytest.fixture
def site(cloud: Cloud) -> Iterator[Site]:
    """A site whose batches leave soon, and whose uplink tries again soon."""
    with Site(cloud=cloud) as made:
        made.configure("uplink", batch_max_age_s=1.0, retry_ceiling_s=1.0)
        yield made


def settled(site: Site, cloud: Cloud) -> Joined:
    """Wait until everything that may leave has left, and no batch is under way."""

    def quiet(status: Document) -> bool:
        depths = status["spool"]
        return all(depths[name]["rows"] == 0 for name in ("alert", "result", "log"))

    site.until(quiet, "nothing waits any more that may leave")
    found = join(site, cloud)
    assert found.faults() == []
    return found


def arrived(site: Site, count: int) -> bool:
    return len(site.trace()) >= count


def problems(status: Document) -> set[str]:
    return {problem["code"] for problem in status["problems"]}


def test_everything_a_real_device_sends_is_in_the_cloud_exactly_once(
    site: Site, cloud: Cloud
) -> None:
    folder = site.device("cam-01")
    site.start()
    with LineDevice(folder) as device:
        site.until(
            lambda _: (
                join(site, cloud).count("alert", "delivered") >= 5
                and join(site, cloud).count("result", "delivered") >= 3
            ),
            "alerts and results arrive",
        )
        first = device.stop()
        device.start()  # what it stored last, it had no time to send
        site.until(lambda _: len(site.trace()) > first["messages"], "it goes on")
        second = device.stop()
    assert device.events("refused") == []
    found = settled(site, cloud)
    sent = first["messages"] + second["messages"]
    assert sent - second["waiting"] <= len(found.trace) <= sent
    assert found.gaps() == []
    assert found.count("alert", "delivered") >= first["alerts"]
    assert found.count("metric", "queued") > 0, "metric values stay on the site"
    assert {entry["class"] for entry in found.ledger.values()} == {"alert", "result", "log"}
    assert site.of("cam-01")["state"] == "offline", "it said goodbye"
    status = site.status()
    assert status["alerts"][0]["picture"] == f"/alerts/{status['alerts'][0]['id']}/0.png"
    assert status["alerts"][0]["outcome"] == "delivered"
    assert status["uplink"]["state"] == "online"


def test_without_a_wan_alerts_queue_and_the_status_says_so_and_all_drains_when_it_is_back(
    site: Site, cloud: Cloud
) -> None:
    folder = site.device("cam-01")
    cloud.run("wan", "down")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        for number in range(1, 6):
            device.say("alert", [alert(number)])  # a receipt needs no WAN
        for number in range(1, 4):
            device.say("data", [result(number)])
        down = site.until(
            lambda now: now["uplink"]["state"] == "offline" and "uplink-offline" in problems(now),
            "the status says so",
        )
        assert down["spool"]["alert"]["rows"] == 5
        assert down["spool"]["result"]["rows"] == 3
        assert down["spool"]["alert"]["oldest_s"] >= 0
        assert down["uplink"]["last_error"]
        assert cloud.ledger() == []
        cloud.run("wan", "up")
        up = site.until(
            lambda now: (
                now["uplink"]["state"] == "online" and "uplink-offline" not in problems(now)
            ),
            "the uplink is back",
        )
        assert up["uplink"]["since_ms"] > down["uplink"]["since_ms"]
    found = settled(site, cloud)
    assert found.count("alert", "delivered") == 5
    assert found.count("result", "delivered") == 3


def test_an_answer_that_is_lost_makes_no_second_batch(site: Site, cloud: Cloud) -> None:
    folder = site.device("cam-01")
    cloud.run("fault", "lose-answer", "--count", "1")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        device.say("alert", [alert()])
    found = settled(site, cloud)
    ((_, entry),) = found.ledger.items()
    assert (entry["rows"], entry["times"]) == (1, 2), "sent twice, kept once"


def test_a_captive_portal_takes_nothing_away(site: Site, cloud: Cloud) -> None:
    folder = site.device("cam-01")
    cloud.run("fault", "captive-portal", "--count", "2")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        device.say("alert", [alert()])
        site.until(lambda now: now["uplink"]["last_error"], "its 200 is not believed")
    assert settled(site, cloud).count("alert", "delivered") == 1


def test_a_refusal_for_good_parks_the_batch_and_what_follows_goes_on(
    site: Site, cloud: Cloud
) -> None:
    folder = site.device("cam-01")
    cloud.run("fault", "refuse", "--status", "422", "--count", "1")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        device.say("alert", [alert(1)])
        parked = site.until(lambda now: "batches-parked" in problems(now), "the page says so")
        assert parked["uplink"]["parked"] == 1
        device.say("alert", [alert(2)])
        until(lambda: join(site, cloud).count("alert", "delivered") == 1, "the next one arrives")
    found = join(site, cloud)
    assert found.faults() == []
    assert found.count("alert", "parked") == 1


def test_a_gateway_that_is_stopped_under_load_goes_on_where_it_stopped(
    site: Site, cloud: Cloud
) -> None:
    folder = site.device("cam-01")
    site.start()
    with LineDevice(folder, rate_hz=30) as device:
        for goal in (3, 6):
            until(partial(arrived, site, goal), "messages arrive")
            assert site.stop() == 0, "within ten seconds, and well"
            site.start()
        before = len(site.trace())
        site.until(lambda _: len(site.trace()) > before, "the device is back")
        last = device.stop()
    found = settled(site, cloud)
    assert last["messages"] - last["waiting"] <= len(found.trace) <= last["messages"]
    assert found.gaps() == []
    assert all(m["outcome"] in ENDED for m in found.trace if m["class"] != "metric")
    assert not site.bug(), site.bug()


def test_an_uplink_without_its_certificate_is_a_matter_for_the_operator(
    site: Site, cloud: Cloud
) -> None:
    folder = site.device("cam-01")
    site.start()
    (cloud.folder / "gateway-cert.pem").rename(cloud.folder / "away.pem")
    with RawDevice(folder) as device:
        device.join()
        device.say("alert", [alert()])
        site.until(
            lambda now: (
                now["uplink"]["state"] == "misconfigured"
                and "uplink-misconfigured" in problems(now)
            ),
            "the status names it",
        )
        assert site.status()["spool"]["alert"]["rows"] == 1
    (cloud.folder / "away.pem").rename(cloud.folder / "gateway-cert.pem")
