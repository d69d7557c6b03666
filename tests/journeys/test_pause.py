"""A long outage with devices that do as they are asked: they hold their data, and lose none."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.load import LoadedDevice
from tests.support.raw_device import RawDevice, alert
from tests.support.site import Document, Site
from tests.support.small_disk import MIB
from tests.support.until import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path)
    cloud.init()
    cloud.start()
    yield cloud
    cloud.close()


@pytest.fixture
def site(cloud: Cloud) -> Iterator[Site]:
    with Site(cloud=cloud) as site:
        # Without what is for alerts, that is room for some 10,000 small messages.
        site.configure("spool", bytes_max=6 * MIB, alert_reserve_bytes=2 * MIB, look_every_s=1)
        site.configure("uplink", batch_max_age_s=0.3, retry_ceiling_s=1.0)
        yield site


def held(status: Document) -> bool:
    return any(one["code"] == "data-held-back" for one in status["problems"])


def test_devices_hold_their_data_in_an_outage_and_nothing_is_shed_or_lost(
    site: Site, cloud: Cloud
) -> None:
    cloud.run("wan", "down")
    site.start()
    with LoadedDevice(site.device("cam-01")) as device:
        site.until(held, "the queue is short of room", within_s=120)
        until(lambda: len(device.outbox) > 60, "the device keeps its data")
        assert site.status()["room"]["level"] == "tight"
        with RawDevice(site.device("cam-02")) as other:
            other.join()
            assert other.say("alert", [alert()])["pause"] == ["data"]
        cloud.run("wan", "up")
        site.until(lambda status: not held(status), "there is room again", within_s=120)
        device.finish()
        until(lambda: not len(device.outbox), "all that was held has a receipt", within_s=120)
        assert device.said == []
        site.until(
            lambda status: (
                not any(
                    status["spool"][one]["rows"] for one in ("alert", "error-log", "result", "log")
                )
            ),
            "everything that may leave is delivered",
            within_s=120,
        )
        ended = Counter(line["outcome"] for line in site.trace() if line["class"] != "metric")
        assert set(ended) == {"delivered"}
        assert site.counter("messages_held_back_total:alert") == 0
        assert site.counter("messages_held_back_total:data") == 0
