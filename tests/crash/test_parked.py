"""Kill -9 while a refused batch is halved, parked, tried again or dropped: one outcome each."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.ledger import ledger
from tests.support.raw_device import RawDevice, alert
from tests.support.site import Site

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

AT_POINT = (sys.executable, str(Path(__file__).with_name("gateway_at_point.py")))
MESSAGES, POISON = 12, {2, 7}
PARKED_AND_DELIVERED = Counter(delivered=MESSAGES - len(POISON), parked=len(POISON))


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
        site.configure("uplink", retry_ceiling_s=1.0)
        yield site


def fill(site: Site, cloud: Cloud) -> None:
    """Let a batch of good and bad messages wait for a cloud that refuses the bad ones."""
    folder = site.device("cam-01")
    cloud.run("wan", "down")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        for number in range(MESSAGES):
            label = "poison" if number in POISON else "good"
            device.say("alert", [alert(number) | {"label": label}])
    assert site.stop() == 0
    cloud.run("fault", "poison", "--about", "poison", "--status", "422")
    cloud.run("wan", "up")


def settle(site: Site, cloud: Cloud, parked: int) -> Counter[str]:
    """Wait until all is decided; join trace and cloud, and return how many ended how."""
    site.until(
        lambda status: (
            status["spool"]["alert"]["rows"] == 0 and status["uplink"]["parked"] == parked
        ),
        f"nothing that waits, and {parked} parked batches",
    )
    trace = site.trace()
    assert sorted(line["seq"] for line in trace) == list(range(1, MESSAGES + 1))
    delivered = Counter(line["batch"] for line in trace if line["outcome"] == "delivered")
    assert dict(delivered) == {entry["batch"]: entry["rows"] for entry in ledger(cloud)}
    return Counter(line["outcome"] for line in trace)


@pytest.mark.parametrize("nth", ["1", "3"])
@pytest.mark.parametrize("point", ["before-split", "after-split"])
def test_a_cut_while_a_refused_batch_is_halved_neither_loses_nor_doubles(
    site: Site, cloud: Cloud, point: str, nth: str
) -> None:
    fill(site, cloud)
    site.launch(program=(*AT_POINT, point, nth))
    assert site.ended(within_s=60) == -signal.SIGKILL
    site.start()
    assert settle(site, cloud, len(POISON)) == PARKED_AND_DELIVERED


def test_a_cut_right_after_parking_leaves_the_message_parked(site: Site, cloud: Cloud) -> None:
    fill(site, cloud)
    site.launch(program=(*AT_POINT, "after-park", "1"))
    assert site.ended(within_s=60) == -signal.SIGKILL
    site.start()
    assert settle(site, cloud, len(POISON)) == PARKED_AND_DELIVERED


@pytest.mark.parametrize(
    ("verb", "point", "outcome"),
    [("retry", "after-retry", "delivered"), ("drop", "after-drop", "shed")],
)
def test_a_cut_in_the_middle_of_an_operators_decision_leaves_it_taken_or_not(
    site: Site, cloud: Cloud, verb: str, point: str, outcome: str
) -> None:
    fill(site, cloud)
    site.start(program=(*AT_POINT, point, "1"))
    settle(site, cloud, len(POISON))
    cloud.run("fault", "none")
    done = site.command("spool", "parked", verb, "--all")
    assert done.returncode in {1, 4}, "the gateway went away while it answered"
    assert site.ended(within_s=60) == -signal.SIGKILL
    site.start()
    found = settle(site, cloud, len(POISON) - 1)  # the first was decided, the other not yet asked
    assert found == PARKED_AND_DELIVERED - Counter(parked=1) + Counter([outcome])
