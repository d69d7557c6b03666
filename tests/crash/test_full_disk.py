"""A really full file system, with the real gateway: alerts survive, telemetry pays, by order.

The site's state lies on a small file system. A device that does not care about being asked
to hold back sends until nothing fits, another program takes the rest of the disk, alerts go
on, and when the other program's file is gone everything recovers in the same process.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.raw_device import RawDevice
from tests.support.site import Document, Site
from tests.support.small_disk import MIB, fill, free_bytes, small_disk
from tests.support.until import until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

ORDER = ("metric", "log", "result", "error-log")
GROUP = 20
ITEMS = 100

ITEM: dict[str, Any] = {
    "metric": {"mono_ms": 1, "name": "power", "value": 4.25, "unit": "kW"},
    "log": {"mono_ms": 1, "severity": "info", "template": "started", "message": "x" * 60},
    "error-log": {"mono_ms": 1, "severity": "error", "template": "jammed", "message": "x" * 60},
    "result": {"mono_ms": 1, "model": "m@1", "label": "ok", "score": 0.5, "latency_ms": 4.0},
    "alert": {"id": "a", "kind": "defect", "severity": "major", "label": "scratch", "score": 0.5},
}
TYPES = {"metric": "metric", "log": "log", "error-log": "log", "result": "result", "alert": None}


class Small(Site):
    """A site whose state lies on a small disk."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        super().__init__(options=("--state-dir", str(disk / "state")))

    @property
    def state_dir(self) -> Path:
        return self.disk / "state"


class Rude(RawDevice):
    """A device that sends on while it is asked to hold back, and sends again what was held."""

    def __init__(self, site: Site, name: str) -> None:
        super().__init__(site.device(name))
        self.site = site
        self.wanted: dict[str, list[str]] = {"alert": [], "data": []}
        """The class of each number that was ever given, by stream."""
        self.mark = {"alert": 0, "data": 0}

    def push(self, kind: str, messages: int = GROUP) -> bool:
        """Send so many new messages; return whether all were receipted, not held back."""
        stream = "alert" if kind == "alert" else "data"
        self.wanted[stream] += [kind] * messages
        return self.again(stream)

    def again(self, stream: str) -> bool:
        """Send everything of the stream without a receipt; return whether that got one."""
        kinds = self.wanted[stream]
        before = self._held(stream)
        for seq in range(self.mark[stream] + 1, len(kinds) + 1):
            kind = kinds[seq - 1]
            whole = {
                "v": 1,
                "epoch": self.epoch,
                "seq": seq,
                "base": 1,
                "boot": "b",
                "mono_ms": seq,
                "items": [ITEM[kind]] * ITEMS,
            }
            if TYPES[kind]:
                whole["type"] = TYPES[kind]
            self.post(self.up(stream), json.dumps(whole).encode())
        until(lambda: self._heard(stream) or self._held(stream) > before, f"an answer to {stream}")
        return self.mark[stream] == len(kinds)

    def _held(self, stream: str) -> int:
        return self.site.counter(f"messages_held_back_total:{stream}")

    def _heard(self, stream: str) -> bool:
        while self.listen(0.02):
            pass
        for one in self.heard:
            if one.topic == self.down("receipt") and one.document["epoch"] == self.epoch:
                for name in self.mark:
                    self.mark[name] = max(self.mark[name], one.document[name])
        self.heard.clear()
        return self.mark[stream] == len(self.wanted[stream])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Small]:
    with small_disk(tmp_path / "disk", mib=32) as disk, Small(disk) as site:
        site.configure("intake", data_linger_ms=5)
        site.configure(
            "spool",
            state_reserve_bytes=6 * MIB,
            alert_reserve_bytes=4 * MIB,
            look_every_s=1,
            sweep_every_s=5,
        )
        yield site


def problems(status: Document) -> set[str]:
    return {one["code"] for one in status["problems"]}


def ended(site: Site) -> Counter[str]:
    """How many messages of each class were shed."""
    counters = site.status()["counters"]
    return Counter({one: counters.get(f"messages_ended_total:{one}:shed", 0) for one in ITEM})


def in_order(status: Document) -> None:
    """Whoever paid, paid after all that stand before it in the published order."""
    shed = {one: status["counters"].get(f"messages_ended_total:{one}:shed", 0) for one in ITEM}
    waiting = {one: status["spool"][one]["rows"] for one in ITEM}
    assert shed["alert"] == 0
    for number, one in enumerate(ORDER):
        if shed[one]:
            assert not any(waiting[before] for before in ORDER[:number]), (shed, waiting)


def test_on_a_full_disk_alerts_survive_telemetry_goes_in_order_and_all_recovers(
    site: Small,
) -> None:
    pid = site.start()["pid"]
    other = site.disk / "other-program.log"
    with Rude(site, "cam-01") as device:
        device.join()
        # Telemetry until the disk has no room for more: devices were asked to hold back before.
        kinds = iter(ORDER * 10_000)
        while device.push(next(kinds)):
            in_order(site.status())
        full = site.until(lambda one: "data-held-back" in problems(one), "the page says so")
        assert full["pid"] == pid
        # Another program takes all that is left, to the last byte.
        fill(other)
        assert free_bytes(site.disk) < MIB / 8
        # The gateway's own state is never refused: a device is enrolled, the broker starts anew.
        site.device("cam-02")
        # Alerts go on, and what pays for them pays in the published order.
        while any(site.status()["spool"][one]["rows"] for one in ORDER):
            device.push("alert")
            until(lambda: device.again("alert"), "room is made for alerts")
            in_order(site.status())
            fill(other)
        paid = ended(site)
        assert all(paid[one] for one in ORDER), paid
        # Now there are alerts alone, and no room: they stay where they are.
        while device.push("alert"):
            fill(other)
        stands = -1
        while device.mark["alert"] > stands:  # the last small room is taken, too
            stands = device.mark["alert"]
            if device.again("alert"):
                device.push("alert")
        site.until(lambda one: "alerts-held-back" in problems(one), "the page says so")
        assert len(device.wanted["alert"]) > 100
        # The other program's file is gone: all recovers by itself, in the same process.
        other.unlink()
        until(lambda: device.again("alert"), "the alerts that were held back are taken")
        until(lambda: device.again("data"), "so is the data", within_s=60)
        site.until(lambda one: not problems(one) & SPACE, "no problem of space stands")
    assert site.status()["pid"] == pid
    trace = site.trace()
    alerts = Counter(line["outcome"] for line in trace if line["class"] == "alert")
    assert alerts == {"queued": device.mark["alert"]}
    places = Counter((line["stream"], line["seq"]) for line in trace)
    assert max(places.values()) == 1
    assert len(places) == device.mark["alert"] + device.mark["data"]
    assert (site.state_dir / "reserve").stat().st_size == 6 * MIB
    assert site.bug() == ""
    assert site.stop() == 0


SPACE = {"data-held-back", "alerts-held-back", "disk-full", "disk-read-only", "disk-write-failed"}
