"""Promise P1 and P4 under kill -9: of the gateway at named points, of everything at random.

The oracle is the same each time: ``tests/support/account.py`` joins what the devices hold,
what the trace says and what the cloud has.
"""

import random
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.account import settle, until_receipts
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
POINTS_OF_INTAKE = POINTS[:4]
"""Reached under load whatever the cloud does."""
DEVICES = 3
LOST_ANSWERS = 0.3
CUTS = 0.4


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
    # All of them first: the load of one may end the gateway that enrols the next.
    folders = [site.device(f"cam-{number:02d}") for number in range(DEVICES)]
    return [stack.enter_context(LoadedDevice(folder)) for folder in folders]


@pytest.mark.parametrize("point", POINTS)
def test_a_cut_at_a_named_point_neither_loses_nor_doubles(
    site: Site, cloud: Cloud, point: str
) -> None:
    site.launch(program=(*AT_POINT, point, "4"))
    with ExitStack() as stack:
        devices = load_later(site, stack)
        assert site.ended(within_s=60) == -signal.SIGKILL
        site.start()
        settle(site, cloud, devices)


def load_later(site: Site, stack: ExitStack) -> list[LoadedDevice]:
    """Enrol once the gateway answers, then load it."""

    def answers() -> bool:
        try:
            return bool(site.status())
        except NotAnsweringError:
            return False

    until(answers, "a gateway that answers", within_s=60)
    return load(site, stack)


def test_random_kills_with_a_flapping_uplink_that_loses_answers_lose_nothing_receipted(
    site: Site, cloud: Cloud, rounds: int
) -> None:
    chance = random.Random(20)  # noqa: S311 -- the same kills every time
    site.start()
    with ExitStack() as stack:
        devices = load(site, stack)
        for round_number in range(rounds):
            until_receipts(devices, chance.randrange(5, 250), f"round {round_number}")
            if chance.random() < LOST_ANSWERS:
                cloud.run("fault", "lose-answer", "--count", "1")
            cloud.run("wan", "down" if chance.random() < CUTS else "up")
            end(site, chance)
        cloud.run("wan", "up")
        settle(site, cloud, devices)
    assert site.bug() == ""


def end(site: Site, chance: random.Random) -> None:
    """End gateway or broker or both, at once or at a named point, and start what ended."""
    victim = chance.choice(("gateway", "broker", "both", "point"))
    if victim == "point":
        site.kill()
        point = chance.choice(POINTS_OF_INTAKE)
        site.launch(program=(*AT_POINT, point, str(chance.randrange(1, 9))))
        assert site.ended(within_s=60) == -signal.SIGKILL
        site.start()
        return
    if victim in {"broker", "both"}:
        try:
            site.kill_broker()
        except (NotAnsweringError, AssertionError):
            victim = "gateway"  # it is down already, from the round before
    if victim in {"gateway", "both"}:
        site.kill()
        site.start()
