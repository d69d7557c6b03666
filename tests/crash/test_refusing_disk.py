"""A disk that refuses the real gateway: at its start, and while it serves."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.test_full_disk import Small, problems
from tests.support.raw_device import RawDevice, alert
from tests.support.small_disk import MIB, fill, free_bytes, small_disk, small_ext4

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]


def configured(disk: Path) -> Small:
    site = Small(disk)
    site.configure(
        "spool",
        state_reserve_bytes=8 * MIB,
        alert_reserve_bytes=2 * MIB,
        look_every_s=1,
    )
    return site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Small]:
    with small_disk(tmp_path / "disk", mib=32) as disk, configured(disk) as site:
        yield site


def test_a_start_on_a_full_disk_takes_the_reserve_and_serves(site: Small) -> None:
    site.start()
    with RawDevice(site.device("cam-01")) as device:
        device.join()
        device.say("alert", [alert()])
    site.until(lambda _: (site.state_dir / "reserve").exists(), "the reserve is laid")
    assert site.stop() == 0
    other = site.disk / "other-program.log"
    fill(other)
    assert free_bytes(site.disk) == 0
    pid = site.start()["pid"]
    assert [line["outcome"] for line in site.trace()] == ["queued"]
    site.until(lambda status: "disk-full" in problems(status), "the page says so")
    other.unlink()
    site.until(lambda status: "disk-full" not in problems(status), "it is over")
    with RawDevice(site.device("cam-01")) as device:
        device.join()
        device.say("alert", [alert(2)])
    assert site.status()["pid"] == pid
    assert site.bug() == ""


def test_a_start_on_a_full_disk_without_a_reserve_says_what_to_do(site: Small) -> None:
    site.start()
    assert site.stop() == 0
    (site.state_dir / "reserve").unlink(missing_ok=True)
    fill(site.disk / "other-program.log")
    before = len(site.log())
    site.launch()
    assert site.ended(within_s=30) == 1
    said = site.log()[before:]
    assert "free space" in said
    assert "Traceback" not in said


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs mkfs.ext4")
def test_a_file_system_that_turns_read_only_is_named_and_the_page_stays_up(tmp_path: Path) -> None:
    with small_ext4(tmp_path / "disk", mib=64) as disk, configured(disk) as site:
        pid = site.start()["pid"]
        with RawDevice(site.device("cam-01")) as device:
            device.join()
            device.say("alert", [alert()])
            # As the kernel does at an error of the disk: no process is asked.
            subprocess.run(["mount", "-o", "remount,abort", disk], check=False)
            envelope = device.envelope("alert", [alert(2)], base=1)
            device.post(device.up("alert"), json.dumps(envelope).encode())
            found = site.until(
                lambda status: "disk-read-only" in problems(status), "the page says so"
            )
        assert found["pid"] == pid
        assert "disk-full" not in problems(found)
        assert len(site.trace()) == 1
        assert site.bug() == ""
