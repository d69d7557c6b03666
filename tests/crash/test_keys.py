"""Encryption at rest under kill -9: a rotation that is cut anywhere loses and doubles nothing."""

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
POINTS = ("kek-written", "keys-rewrapped", "kek-removed", "resealed", "data-keys-dropped")
WORDS = (b"latency_ms", b"\xa6defect")
"""What messages of the load hold as MessagePack; the contract, in JSON, holds neither."""


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
        site.configure("uplink", batch_max_age_s=0.3, batch_max_messages=40, retry_ceiling_s=1.0)
        yield site


def answers(site: Site) -> bool:
    try:
        return bool(site.status())
    except NotAnsweringError:
        return False


@pytest.mark.parametrize("point", POINTS)
def test_a_key_rotation_that_is_killed_at_a_named_point_loses_and_doubles_nothing(
    site: Site, cloud: Cloud, point: str
) -> None:
    cloud.run("wan", "down")  # so that there is a queue to seal anew
    site.launch(program=(*AT_POINT, point, "1"))
    until(lambda: answers(site), "a gateway that answers", within_s=60)
    with ExitStack() as stack:
        devices = [stack.enter_context(LoadedDevice(site.device("cam-01")))]
        until_receipts(devices, 300, "the outage")
        site.command("keys", "rotate")  # it may end with its gateway
        assert site.ended(within_s=60) == -signal.SIGKILL
        site.start()
        assert len(list((site.state_dir / "keys").iterdir())) == 1
        assert site.command("keys", "rotate").returncode == 0
        cloud.run("wan", "up")
        settle(site, cloud, devices)
    assert site.bug() == ""


def test_no_word_of_a_device_lies_in_the_files_of_the_state(site: Site, cloud: Cloud) -> None:
    """What a thief of the disk finds without the key file."""
    cloud.run("wan", "down")
    site.start()
    with LoadedDevice(site.device("cam-01")) as device:
        until_receipts([device], 300, "the outage")
        device.finish()
    site.stop()
    written = b"".join(
        path.read_bytes() for path in site.state_dir.glob("s*.db*") if path.is_file()
    )
    assert b"cam-01" in written  # who sent is no secret, what it said is
    for word in WORDS:
        assert word not in written, word
