"""A data contract on real parts: what it refuses, what it lets out, what is on record of it."""

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model.telemetry import Image
from tests.hil.cloud.stand_in import Cloud
from tests.support.camera import FRAME, PART, jpeg, letters, picture, png
from tests.support.desk import log_item
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
    with Site(cloud=cloud) as made:
        made.configure("uplink", batch_max_age_s=1.0, retry_ceiling_s=1.0)
        yield made


def shown(image: Image) -> Document:
    return {"image": {"type": image.type, "data": base64.b64encode(image.data).decode()}}


def lines(site: Site, *words: str) -> list[Document]:
    done = site.command(*words, "--json", check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_of_all_that_a_camera_says_the_cloud_gets_the_part_of_a_frame_alone(
    site: Site, cloud: Cloud, tmp_path: Path
) -> None:
    folder = site.device("cam-01")
    site.start()
    frames: list[tuple[str, list[Document], str | None]] = [
        ("alert", [alert() | shown(png(FRAME))], None),
        ("alert", [alert() | shown(jpeg(FRAME))], None),
        ("alert", [alert(n) | shown(png((128, 128))) for n in range(8)], None),
        ("data", [result() | {"label": letters(chars=64, at=640)}] * 10, "result"),
        ("data", [log_item(letters())], "log"),
    ]
    with RawDevice(folder) as device:
        device.join()
        for stream, items, kind in frames:
            changes = {"type": kind} if kind else {}
            envelope = device.envelope(stream, items, **changes)
            device.publish(device.up(stream), json.dumps(envelope).encode())
            assert device.refusal(stream, envelope["seq"]) == "frame"
        device.publish(device.up("data"), picture(FRAME, "JPEG"))
        device.say("alert", [alert() | shown(png(PART))])
        device.say("data", [result()])
    until(lambda: len(cloud.ledger()) >= 2, "both good messages are in the cloud")

    pictures = tmp_path / "pictures"
    for entry in cloud.ledger():
        cloud.run("show", entry.batch, "--pictures", str(pictures))
    found = [path.read_bytes() for path in pictures.iterdir()]
    assert len(found) == 1
    assert len(found[0]) <= len(png(PART).data)
    assert site.counter("messages_refused_total:frame") == len(frames) + 1
    codes = {(one["code"], one["subject"]) for one in site.status()["problems"]}
    assert ("camera-frame-refused", "cam-01") in codes
    assert "picture-too-large" in site.log()


def test_who_asks_what_leaves_is_answered_by_the_gateway_that_follows_the_contract(
    site: Site,
) -> None:
    site.device("cam-01")
    site.start()
    site.device("cam-02")  # by the running gateway
    (told,) = lines(site, "contract", "explain", "cam-02")
    leaving = {line["subject"] for line in told["lines"] if line["leaves"]}
    assert leaving == {"alerts", "pictures of alerts", "results", "error logs", "other logs"}
    plain = site.command("contract", "explain", "cam-02", check=True).stdout
    assert plain.startswith("cam-02, a virtual-camera, admitted: contract virtual-camera\n")
    assert "not differentially private" in plain
    unknown = site.command("contract", "explain", "cam-99")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("no device 'cam-99'")

    noted = until(
        lambda: lines(site, "audit", "list", "--action", "contract-in-force"),
        "the contracts in force are noted",
    )
    assert noted is not None
    sha256 = {one["subject"]: one["detail"]["sha256"] for one in noted}
    assert sha256["virtual-camera"] == told["sha256"]
    added = lines(site, "audit", "list", "--action", "device-added")
    assert [(one["actor"], one["subject"]) for one in added] == [
        *(("operator", "cam-01"), ("operator", "cam-02")),
    ]
    assert "device-added" in site.command("audit", "list", check=True).stdout
    assert site.stop() == 0
    assert site.command("audit", "list").returncode == 4
