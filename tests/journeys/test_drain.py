"""After an outage: what is live leaves beside the backlog, at a pace, in its hours."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model.outcome import MessageClass
from tests.hil.cloud.stand_in import Cloud
from tests.support.backlog import pile_up
from tests.support.ledger import ledger
from tests.support.raw_device import RawDevice, alert, result
from tests.support.site import Site
from tests.support.until import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

BACKLOG = 10_000
DEVICES = 4


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path)
    cloud.init()
    cloud.start()
    yield cloud
    cloud.close()


@pytest.fixture
def site(cloud: Cloud) -> Iterator[Site]:
    """A site whose outage has left results and logs, on a line of a few bytes a second."""
    with Site(cloud=cloud) as site:
        site.configure(
            "uplink",
            batch_max_messages=500,
            batch_max_age_s=0.5,
            bytes_per_s=150,
        )
        window = '[[uplink.window]]\nfrom = "00:00"\nto = "23:59"\nbytes_per_s = 150\n'
        with site.config.open("a") as file:
            file.write(f'\n{window}classes = ["error-log", "result"]\n')
        for number in range(DEVICES):
            site.device(f"cam-{number:02d}")
        classes = [MessageClass.RESULT, MessageClass.LOG]
        asyncio.run(pile_up(site, BACKLOG, classes, DEVICES, age_s=3_600))
        yield site


def test_live_alerts_and_results_leave_while_the_backlog_still_waits(
    site: Site, cloud: Cloud
) -> None:
    folder = site.device("live-01")
    site.start()
    until(lambda: ledger(cloud), "a backlog that begins to leave")
    with RawDevice(folder) as device:
        device.join()
        for number in range(3):
            device.say("alert", [alert(number)])
            device.say("data", [result(number)])

        def delivered() -> bool:
            mine = [line for line in site.trace() if line["device"] == "live-01"]
            return [line["outcome"] for line in mine] == ["delivered"] * 6

        until(delivered, "what is live at the cloud")
    status = site.status()
    assert status["spool"]["result"]["rows"] > 0, "the backlog was longer than that"
    assert status["spool"]["log"]["rows"] == BACKLOG // 2, "logs wait for their hours"
    arrived = {entry["class"]: entry["rows"] for entry in ledger(cloud)}
    assert arrived.keys() == {"alert", "result"}
    assert status["uplink"]["state"] == "online"
    assert site.bug() == ""
