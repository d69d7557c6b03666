"""A gateway that has fallen behind: what must not wait does not, and what must wait does."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.raw_device import RawDevice, alert, result
from tests.support.raw_mqtt import SUCCESS
from tests.support.site import Document, Site

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

BACKLOG = 1_900
"""Within two of the widest windows: of more, the gateway reads nothing (docs/noise.md)."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        made.configure("intake", window=1_000, max_devices=20)
        yield made


@contextmanager
def standing_still(site: Site) -> Iterator[None]:
    assert site.process is not None
    site.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        site.process.send_signal(signal.SIGCONT)


def pile_up(device: RawDevice) -> None:
    """Say so many data that the gateway needs a while for them; the broker has them then."""
    for number in range(BACKLOG - 1):
        device.post(device.up("data"), said(device, "data", [result(number)]))
    assert device.publish(device.up("data"), said(device, "data", [result()])) == SUCCESS


def said(device: RawDevice, stream: str, items: list[Document]) -> bytes:
    return json.dumps(device.envelope(stream, items, base=1)).encode()


def receipts(device: RawDevice) -> list[Document]:
    """All receipts so far, in the order in which they came."""
    return [one.document for one in device.heard if one.topic == device.down("receipt")]


def test_an_alert_does_not_wait_for_the_data_before_it(site: Site) -> None:
    folder = site.device("cam-01")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        with standing_still(site):
            pile_up(device)
            assert device.publish(device.up("alert"), said(device, "alert", [alert()])) == SUCCESS
        device.receipt(alert=1, data=BACKLOG)
        first = next(one for one in receipts(device) if one["alert"] == 1)
        assert first["data"] < BACKLOG / 2
        marks = [(one["alert"], one["data"]) for one in receipts(device)]
        assert marks == sorted(marks), "no receipt overtakes a later one"


def test_a_status_is_answered_behind_all_that_its_device_said(
    site: Site,
) -> None:
    """Else a storage that was rolled back could take an old mark for proof (decision 0010)."""
    folder = site.device("cam-01")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        first = device.epoch
        with standing_still(site):
            pile_up(device)
            device.publish(device.up("alert"), said(device, "alert", [alert()]))
            device.epoch, device.last = first + 1_000_000, {"alert": 0, "data": 0}
            device.publish(device.up("status"), device.status(), retain=True)
        device.receipt(0, 0)
        before = receipts(device)[:-1]
        assert (before[-1]["epoch"], before[-1]["data"]) == (first, BACKLOG)
        assert before[-1]["alert"] == 1
