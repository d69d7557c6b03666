"""Promise P1 and P4 under kill -9: of the gateway at named points, of everything at random.

The oracle is the same each time. What a device has a receipt for stands in the trace,
exactly once. What the trace calls delivered stands in exactly one batch, and the cloud
holds that batch with the right number of rows, however often it was sent.
"""

import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.ledger import ledger
from tests.support.load import LoadedDevice
from tests.support.site import NotAnsweringError, Site
from tests.support.until import until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

AT_POINT = (sys.executable, str(Path(__file__).with_name("gateway_at_point.py")))
POINTS = (
    "before-commit",
    "after-commit",
    "after-acknowledge",
    "after-receipt",
    "after-seal",
    "before-send",
    "after-answer",
    "after-delivered",
)
DRAIN_LIMIT_S = 60.0
DEVICES = 3


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
        # Small batches, often: more seams to cut at.
        site.configure("uplink", batch_max_age_s=0.3, batch_max_messages=40, retry_ceiling_s=1.0)
        yield site


def load(site: Site, stack: ExitStack) -> list[LoadedDevice]:
    names = [f"cam-{number:02d}" for number in range(DEVICES)]
    return [stack.enter_context(LoadedDevice(site.device(name))) for name in names]


def receipted(devices: list[LoadedDevice]) -> int:
    return sum(len(device.receipted()) for device in devices)


def until_receipts(devices: list[LoadedDevice], more: int, where: str) -> None:
    wanted = receipted(devices) + more
    until(lambda: receipted(devices) >= wanted, f"{more} more receipts in {where}")


def verify(site: Site, cloud: Cloud, devices: list[LoadedDevice]) -> None:
    """Stop the load, let everything drain, and join devices, trace and cloud."""
    for device in devices:
        device.finish()
    until(
        lambda: all(len(device.outbox) == 0 for device in devices),
        "a receipt for everything",
        within_s=DRAIN_LIMIT_S,
    )
    site.until(
        lambda status: all(
            status["spool"][name]["rows"] == 0 for name in ("alert", "result", "log")
        ),
        "everything that may leave is delivered",
        within_s=DRAIN_LIMIT_S,
    )
    trace = site.trace()
    found = Counter((line["device"], line["stream"], line["seq"]) for line in trace)
    for device in devices:
        for stream, seq in device.numbered():
            assert found.pop((device.name, stream, seq), 0) == 1, (device.name, stream, seq)
        assert device.said == []
    assert not found, "the trace names messages that no device has sent"
    outcomes = {line["class"]: line["outcome"] for line in trace}
    assert outcomes == {
        "alert": "delivered",
        "result": "delivered",
        "log": "delivered",
        "metric": "queued",
    }
    delivered = Counter(line["batch"] for line in trace if line["outcome"] == "delivered")
    held = {line["batch"]: line["rows"] for line in ledger(cloud)}
    assert dict(delivered) == held


@pytest.mark.parametrize("point", POINTS)
def test_a_cut_at_a_named_point_neither_loses_nor_doubles(
    site: Site, cloud: Cloud, point: str
) -> None:
    site.launch(program=(*AT_POINT, point, "4"))
    with ExitStack() as stack:
        devices = load_later(site, stack)
        assert site.ended(within_s=60) == -signal.SIGKILL
        site.start()
        verify(site, cloud, devices)


def load_later(site: Site, stack: ExitStack) -> list[LoadedDevice]:
    """Enrol once the gateway answers, then load it."""

    def answers() -> bool:
        try:
            return bool(site.status())
        except NotAnsweringError:
            return False

    until(answers, "a gateway that answers", within_s=60)
    return load(site, stack)


def test_random_kills_of_gateway_and_broker_under_load_lose_nothing_receipted(
    site: Site, cloud: Cloud, rounds: int
) -> None:
    chance = random.Random(20)  # noqa: S311 -- the same kills every time
    site.start()
    with ExitStack() as stack:
        devices = load(site, stack)
        for round_number in range(rounds):
            until_receipts(devices, chance.randrange(5, 250), f"round {round_number}")
            if chance.random() < 0.3:
                cloud.run("fault", "lose-answer", "--count", "1")
            victim = chance.choice(("gateway", "broker", "both"))
            if victim in {"broker", "both"}:
                try:
                    site.kill_broker()
                except (NotAnsweringError, AssertionError):
                    victim = "gateway"  # it is down already, from the round before
            if victim in {"gateway", "both"}:
                site.kill()
                site.start()
        verify(site, cloud, devices)
