"""A wrong clock costs no message: a year ahead, a year back, no clock at all."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.load import LoadedDevice
from tests.support.site import Site
from tests.support.until import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]

WITH_WALL = str(Path(__file__).parents[1] / "support" / "gateway_with_wall.py")
DAY_S = 86_400.0
YEAR_S = 365 * DAY_S
TO_1970_S = -1_790_000_000.0
DRAIN_LIMIT_S = 60.0


class Wall:
    """How far the gateway's wall clock is off."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.off(0)

    def off(self, seconds: float) -> None:
        """Set the wall clock ``seconds`` ahead of the right time."""
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.file)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path)
    cloud.init()
    cloud.start()
    yield cloud
    cloud.close()


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    return Wall(tmp_path / "wall")


@pytest.fixture
def site(cloud: Cloud, wall: Wall) -> Iterator[Site]:
    with Site(cloud=cloud, program=(sys.executable, WITH_WALL, str(wall.file))) as site:
        # With a wrong clock the certificate seems expired: look again soon.
        site.configure(
            "uplink",
            batch_max_age_s=0.3,
            batch_max_messages=40,
            retry_ceiling_s=1.0,
            probe_every_s=1,
        )
        site.configure("spool", sweep_every_s=1)
        yield site


def doubt(site: Site) -> str:
    """What the gateway finds wrong with its wall clock; asking lets it look at once."""
    return json.loads(site.get("/v1/clock"))["doubt"] or ""


def doubted(site: Site) -> bool:
    """Say whether the page shows it."""
    return "clock-doubtful" in {one["code"] for one in site.status()["problems"]}


def outcomes(site: Site) -> Counter[str]:
    return Counter(line["outcome"] for line in site.trace())


def until_receipted(devices: list[LoadedDevice], more: int) -> None:
    wanted = sum(len(one.receipted()) for one in devices) + more
    until(lambda: sum(len(one.receipted()) for one in devices) >= wanted, f"{more} more receipts")


@pytest.mark.parametrize("off_s", [YEAR_S, -YEAR_S, TO_1970_S], ids=["+1y", "-1y", "1970"])
def test_a_clock_that_steps_while_the_cloud_is_away_expires_nothing_and_keeps_the_order(
    site: Site, cloud: Cloud, wall: Wall, off_s: float
):
    site.start()
    cloud.run("wan", "down")
    with ExitStack() as stack:
        # One device without a clock, one that is a year ahead: what they say of time is data.
        devices = [
            stack.enter_context(LoadedDevice(site.device("cam-01"), wall_ms=0)),
            stack.enter_context(
                LoadedDevice(site.device("cam-02"), wall_ms=1_790_000_000_000 + int(YEAR_S * 1000))
            ),
        ]
        until_receipted(devices, 100)
        wall.off(off_s)
        assert "the site's own time" in doubt(site)
        until_receipted(devices, 100)
        site.kill()
        site.start()  # and once more, from a start at which the clock is wrong already
        assert "the site's own time" in doubt(site)
        until_receipted(devices, 100)
        wall.off(0)
        assert doubt(site) == ""
        for device in devices:
            device.finish()
        until(lambda: all(len(one.outbox) == 0 for one in devices), "a receipt for everything")
        cloud.run("wan", "up")
        site.until(
            lambda status: not any(status["spool"][name]["rows"] for name in ("alert", "result")),
            "everything that may leave has left",
            within_s=DRAIN_LIMIT_S,
        )
        wanted = sum(len(one.numbered()) for one in devices)
    found = outcomes(site)
    assert set(found) <= {"delivered", "queued", "sealed"}, found  # nothing expired
    assert found.total() == wanted
    assert in_order(site.trace())
    assert site.bug() == ""


def in_order(trace: list[dict[str, object]]) -> bool:
    """Say whether the results of each device left in the order in which they were numbered."""
    batches: dict[object, int] = {}
    last: dict[object, tuple[int, int]] = {}
    results = [line for line in trace if line["class"] == "result" and line["batch"]]
    for line in results:  # the trace tells what ended first
        batch = batches.setdefault(line["batch"], len(batches))
        place = (batch, int(str(line["seq"])))
        if place < last.get(line["device"], (0, 0)):
            return False
        last[line["device"]] = place
    return True


def test_an_operator_confirms_a_clock_after_a_long_time_off_and_never_turns_it_back(
    site: Site, wall: Wall
):
    site.start()
    before = json.loads(site.get("/v1/clock"))["site_ms"]
    wall.off(30 * DAY_S)
    shown = site.command("clock", "show", "--json")
    assert "is ahead of the site's own time" in json.loads(shown.stdout)["doubt"]
    assert doubted(site)
    confirmed = site.command("clock", "confirm", "--json")
    assert confirmed.returncode == 0, confirmed.stderr
    assert json.loads(confirmed.stdout)["site_ms"] >= before + 30 * DAY_S * 1000
    assert not doubted(site)
    wall.off(0)
    refused = site.command("clock", "confirm")
    assert refused.returncode == 3
    assert "site time never goes back" in refused.stderr
