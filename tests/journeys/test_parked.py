"""Messages that the cloud never takes: found among others, parked, and decided about."""

import hashlib
import json
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.ledger import ledger
from tests.support.raw_device import RawDevice, alert
from tests.support.site import Document, Site

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

POISONED = {"poison": 2, "good": 14}


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


def parked(site: Site, *words: str, code: int = 0) -> Document:
    done = site.command("spool", "parked", *words, "--json")
    assert done.returncode == code, done.stderr
    found: Document = json.loads(done.stdout) if code == 0 else {"error": done.stderr}
    return found


def labelled(number: int, label: str) -> Document:
    return alert(number) | {"label": label}


def until_settled(site: Site, batches: int) -> Document:
    return site.until(
        lambda status: (
            status["uplink"]["parked"] == batches and status["spool"]["alert"]["rows"] == 0
        ),
        f"{batches} parked batches and nothing that waits",
    )


def test_poison_is_parked_alone_and_ends_as_an_operator_decides(
    site: Site, cloud: Cloud, tmp_path: Path
) -> None:
    folder = site.device("cam-01")
    cloud.run("wan", "down")  # so that good and bad share a batch
    site.start()
    with RawDevice(folder) as device:
        device.join()
        for number in range(16):
            device.say("alert", [labelled(number, "poison" if number in {3, 9} else "good")])
    cloud.run("fault", "poison", "--about", "poison", "--status", "422")
    cloud.run("wan", "up")

    status = until_settled(site, 2)
    outcomes = Counter(line["outcome"] for line in site.trace())
    assert outcomes == {"delivered": 14, "parked": 2}
    assert status["uplink"]["state"] == "online"
    assert "batches-parked" in {problem["code"] for problem in status["problems"]}
    assert sum(entry["rows"] for entry in ledger(cloud)) == 14

    listed = parked(site, "list")
    first, second = (one["batch"] for one in listed["batches"])
    assert {one["rows"] for one in listed["batches"]} == {1}
    assert all("422" in one["reason"] for one in listed["batches"])
    shown = parked(site, "show", first[:10])
    assert [record["label"] for record in shown["records"]] == ["poison"]
    assert [(one["device"], one["first"], one["last"]) for one in shown["messages"]] == [
        ("cam-01", 4, 4)
    ]
    text = site.command("spool", "parked", "show", first[:10]).stdout
    assert "message  cam-01 epoch" in text
    assert "label=poison" in text

    out = tmp_path / "out"
    out.mkdir()
    written = parked(site, "export", first, "--out", str(out))["files"]
    body, manifest = (Path(one) for one in written)
    assert hashlib.sha256(body.read_bytes()).hexdigest() == first == body.stem
    assert json.loads(manifest.read_text())["messages"] == shown["messages"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in (body, manifest)} == {0o600}
    assert "is there already" in parked(site, "export", first, "--out", str(out), code=3)["error"]

    cloud.run("fault", "none")
    assert parked(site, "retry", first)["done"][0]["outcome"] == "sealed"
    until_settled(site, 1)
    entry = next(entry for entry in ledger(cloud) if entry["batch"] == first)
    assert (entry["rows"], entry["times"], entry["resent"]) == (1, 1, 1)

    assert parked(site, "drop", "--all")["done"] == [
        {"batch": second, "outcome": "shed", "rows": 1}
    ]
    status = until_settled(site, 0)
    assert "batches-parked" not in {problem["code"] for problem in status["problems"]}
    assert Counter(line["outcome"] for line in site.trace()) == {"delivered": 15, "shed": 1}
    assert "no parked batch begins with" in parked(site, "show", second, code=2)["error"]
    assert "0 parked" in site.command("spool", "parked", "list").stdout
    assert site.bug() == ""


def test_parking_that_tripped_goes_on_after_a_person_said_so(site: Site, cloud: Cloud) -> None:
    site.configure("uplink", refused_in_a_row_max=3, retry_ceiling_s=1.0)
    folder = site.device("cam-01")
    cloud.run("fault", "refuse", "--status", "400")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        for number in range(4):
            device.say("alert", [alert(number)])
            device.say("alert", [alert(number + 10)])
        site.until(
            lambda status: "parking-tripped" in {one["code"] for one in status["problems"]},
            "parking that has stopped",
        )
        held = len(parked(site, "list")["batches"])
        assert "refusals in a row" in parked(site, "list")["tripped"]
        device.say("alert", [alert(99)])
        assert len(parked(site, "list")["batches"]) == held
    cloud.run("fault", "none")
    assert "refusals in a row" in parked(site, "resume")["tripped"]
    if held:
        parked(site, "retry", "--all")
    status = until_settled(site, 0)
    assert status["uplink"]["state"] == "online"
    assert {line["outcome"] for line in site.trace()} == {"delivered"}
    assert site.bug() == ""
