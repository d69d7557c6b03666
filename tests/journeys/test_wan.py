"""Real packets between the site and the cloud, over a satellite, over 3G, and over nothing.

The oracle knows the state of the line: while it is cut, nothing arrives; all that was
numbered arrives once, and in the end the accounts of devices, trace and cloud agree.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.simulators.wire import Line
from tests.support.account import settle, until_receipts
from tests.support.cable import CLOUD_ADDRESS, MOBILE_3G, OFFLINE, SATELLITE, Cable
from tests.support.ledger import ledger
from tests.support.load import LoadedDevice
from tests.support.site import Site
from tests.support.until import until

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

OUTAGES = 6
SLOW_DRAIN_LIMIT_S = 150.0


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    with Cable(tmp_path) as cable:
        yield cable


@pytest.fixture
def cloud(tmp_path: Path, cable: Cable) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path / "cloud")
    cloud.init("--address", CLOUD_ADDRESS)
    with cable.inside(cable.cloud):
        cloud.start("--listen", CLOUD_ADDRESS)
    yield cloud
    cloud.close()


@pytest.fixture
def site(cloud: Cloud, cable: Cable) -> Iterator[Site]:
    with cable.inside(cable.site), Site(cloud=cloud, cloud_host=CLOUD_ADDRESS) as site:
        # A silent line is noticed by nothing but the time limit of a request.
        site.configure(
            "uplink",
            batch_max_age_s=1,
            batch_max_messages=200,
            request_timeout_s=15,
            retry_ceiling_s=2,
        )
        yield site


@pytest.mark.parametrize("line", [SATELLITE, MOBILE_3G], ids=["satellite", "3g"])
def test_six_outages_lose_and_double_nothing(site: Site, cloud: Cloud, cable: Cable, line: Line):
    site.start()
    cable.line(line)
    with ExitStack() as stack:
        devices = [
            stack.enter_context(LoadedDevice(site.device(name), pace_s=0.05))
            for name in ("cam-01", "cam-02")
        ]
        for outage in range(OUTAGES):
            before = batches(cloud)
            until(lambda: batches(cloud) > before, f"a batch before outage {outage}", within_s=60)  # noqa: B023 -- waits in this round
            cable.line(OFFLINE)
            arrived = ledger(cloud)
            until_receipts(devices, 40, f"outage {outage}")
            if outage == 0:
                site.until(
                    lambda status: status["uplink"]["state"] in {"degraded", "offline"},
                    "the gateway notices that nobody answers",
                    within_s=60,
                )
            assert ledger(cloud) == arrived  # the line is cut, so nothing can have come
            cable.line(line)
        settle(site, cloud, devices, within_s=SLOW_DRAIN_LIMIT_S)
    assert site.bug() == ""


def test_alerts_that_wait_for_a_line_leave_before_the_data_that_waits(
    site: Site, cloud: Cloud, cable: Cable
):
    site.start()
    cable.line(OFFLINE)
    with ExitStack() as stack:
        device = stack.enter_context(LoadedDevice(site.device("cam-01")))
        until_receipts([device], 600, "the outage")
        device.finish()
        cable.line(MOBILE_3G)
        settle(site, cloud, [device], within_s=SLOW_DRAIN_LIMIT_S)
    # What was sealed before the line came back keeps its place; after it, alerts go first.
    classes = [one["class"] for one in ledger(cloud)]
    last_alert = max(number for number, name in enumerate(classes) if name == "alert")
    assert last_alert < len(classes) / 2, classes


def batches(cloud: Cloud) -> int:
    return len(ledger(cloud))
