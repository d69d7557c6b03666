"""A device runs wild at a whole site, over real TLS: it is cut off, and nobody else pays for it."""

import json
from collections.abc import Iterator

import pytest

from tests.support.flood import Flood
from tests.support.processes import resident_bytes
from tests.support.raw_device import RawDevice, alert, result
from tests.support.raw_mqtt import SUCCESS
from tests.support.site import Document, Site
from tests.support.until import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

GOOD, WILD = "cam-01", "press-07"
BROKER_BYTES_MAX = 128 * 2**20
SLACK_BYTES = 40 * 2**20
"""Of a process beside what it counts itself: its program, its stacks, its free lists."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        for name in (GOOD, WILD):
            made.device(name)
        made.configure("intake", data_linger_ms=10, noisy_after_s=2, noisy_first_s=5)
        made.configure("broker", memory_bytes_max=BROKER_BYTES_MAX, max_queued_bytes=52_000_000)
        made.start()
        yield made


def cut_off(now: Document) -> bool:
    return any((one["code"], one["subject"]) == ("device-noisy", WILD) for one in now["problems"])


def audit(site: Site) -> str:
    return site.command("audit", "list", "--json").stdout


def access(now: Document) -> dict[str, str]:
    return {one["id"]: one["access"] for one in now["devices"]}


def insist(device: RawDevice, stream: str, items: list[Document]) -> None:
    """Send one message as a device does: again until its receipt comes."""
    envelope = device.envelope(stream, items)
    payload = json.dumps(envelope).encode()

    def receipted() -> bool:
        assert device.publish(device.up(stream), payload) == SUCCESS
        marks = [
            one.document[stream] for one in device.heard if one.topic == device.down("receipt")
        ]
        return bool(max(marks, default=0) >= envelope["seq"])

    until(receipted, f"a receipt of {stream} {envelope['seq']}", within_s=60)


def test_a_device_run_wild_is_cut_off_and_let_in_again_while_others_get_their_receipts(
    site: Site,
) -> None:
    with RawDevice(site.device(GOOD)) as good:
        good.join()
        with Flood(site.device(WILD), f"line/{WILD}/up/data", b"x" * 200) as flood:
            number = 0
            while not flood.ended.is_set():
                number += 1
                insist(good, "alert", [alert(number)])
                insist(good, "data", [result(number)])
        now = site.until(cut_off, "the problem on the page")
        assert access(now) == {GOOD: "admitted", WILD: "quarantined"}
        assert now["counters"]["messages_qos0_total"] > 1_000
        assert now["counters"]["messages_over_share_total"] > 100
        insist(good, "alert", [alert(number + 1)])
        rows = [one for one in site.trace() if one["device"] == GOOD]
        assert sorted(one["seq"] for one in rows if one["stream"] == "alert") == list(
            range(1, number + 2)
        )
    now = site.until(lambda now: not cut_off(now), "its time is over")
    assert access(now) == {GOOD: "admitted", WILD: "admitted"}
    with RawDevice(site.device(WILD)) as calm:
        assert calm.join()
        insist(calm, "data", [result(1)])
    assert "device-quarantined" in audit(site)
    assert "device-released" in audit(site)


def test_who_is_cut_off_stays_so_over_a_restart_and_hears_why(site: Site) -> None:
    site.configure("intake", data_linger_ms=10, noisy_after_s=2, noisy_first_s=600)
    site.stop()
    site.start()
    with Flood(site.device(WILD), f"line/{WILD}/up/data", b"x" * 200) as flood:
        assert flood.ended.wait(60)
    until(lambda: "device-quarantined" in audit(site), "the record of it")
    site.kill()
    now = site.start()
    assert access(now)[WILD] == "quarantined"
    with RawDevice(site.device(WILD)) as device:
        device.subscribe(device.down("access"))
        told = device.until_heard(lambda one: one.topic == device.down("access"), "access")
        assert (told.document["state"], told.document["reasons"]) == ("quarantined", ["noisy"])
        assert told.document["until"] > now["time_ms"]


@pytest.mark.parametrize("size", [200, 300_000], ids=["small", "large"])
def test_a_qos_0_flood_cannot_take_the_brokers_memory(site: Site, size: int) -> None:
    pids = site.status()["pid"], site.status()["broker"]["pid"]
    most = [0, 0]
    with RawDevice(site.device(GOOD)) as good:
        good.join()
        with Flood(site.device(WILD), f"line/{WILD}/up/data", b"x" * size) as flood:
            while not flood.ended.is_set():
                found = [resident_bytes(pid) for pid in pids]
                most = [max(pair) for pair in zip(most, found, strict=True)]
        insist(good, "alert", [alert(1)])
        insist(good, "data", [result(1)])
    assert most[1] < BROKER_BYTES_MAX + SLACK_BYTES, f"broker {most[1]} bytes"
    assert most[0] < 256 * 2**20, f"gateway {most[0]} bytes"
    assert site.status()["broker"]["pid"] == pids[1], "the same broker all the while"
