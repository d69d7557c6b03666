"""A stock camera and a PLC at a whole site, played by mosquitto_pub: no protocol, no receipts."""

import json
from collections.abc import Iterator

import pytest

from tests.support.pub import pub
from tests.support.raw_device import RawDevice
from tests.support.raw_mqtt import NOT_AUTHORISED, SUCCESS
from tests.support.site import Document, Site

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

MOTION = {"active": True, "zone": "belt-2", "confidence": 0.875}
CAM, PLC = "stock-cam", "plc-01"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as made:
        made.device(CAM, profile="stock-ip-camera")
        made.device(PLC, profile="line-plc")
        made.configure("intake", data_linger_ms=10)
        made.device("probe")
        begin(made)
        yield made


def begin(site: Site) -> None:
    """Start the gateway, and return when it hears devices: these ones would not be told."""
    site.start()
    with RawDevice(site.device("probe")) as probe:
        probe.join()


def rows(site: Site, device: str) -> list[Document]:
    return [one for one in site.trace() if one["device"] == device]


def counter(site: Site, name: str) -> int:
    return site.counter(name)


@pytest.mark.parametrize("version", ["5", "311"])
def test_an_event_of_a_stock_camera_is_an_alert_on_the_page(site: Site, version: str) -> None:
    before = len(rows(site, CAM))
    zone = MOTION | {"zone": f"by-{version}"}
    assert pub(site.device(CAM), f"cam/{CAM}/event/motion", json.dumps(zone), version=version) == ""
    site.until(lambda _: len(rows(site, CAM)) == before + 1, "the alert in the trace")
    last = rows(site, CAM)[-1]
    assert (last["epoch"], last["stream"], last["class"]) == (0, "alert", "alert")
    shown = next(one for one in site.status()["alerts"] if one["device"] == CAM)
    assert (shown["kind"], shown["severity"], shown["score"]) == ("motion", "warning", 0.875)
    assert site.of(CAM)["state"] == "online"


def test_numbers_go_on_after_a_restart_of_the_gateway(site: Site) -> None:
    folder = site.device(PLC)
    said = json.dumps({"axis": {"temp": [48.5, 51.0]}, "pressure": 6.1})
    assert pub(folder, f"plc/{PLC}/values", said) == ""
    site.until(lambda _: len(rows(site, PLC)) == 1, "the readings")
    site.kill()
    begin(site)
    assert pub(folder, f"plc/{PLC}/values", said) == ""
    site.until(lambda _: len(rows(site, PLC)) == 2, "the readings after it")
    assert [(one["seq"], one["class"]) for one in rows(site, PLC)] == [(1, "metric"), (2, "metric")]


def test_a_device_may_use_the_topics_of_its_own_map_alone(site: Site) -> None:
    """Neither another device's, nor another profile's, nor one that only looks alike."""
    for topic in (
        f"cam/{PLC}/event/motion",
        f"cam/{CAM}/event",
        f"cam/{CAM}/event/motion/x",
        f"plc/{CAM}/values",
        "gateway/echo",
    ):
        assert "uthori" in pub(site.device(CAM), topic, "{}"), topic
    with RawDevice(site.device(CAM), version=4) as client:  # 3.1.1 hears no refusal
        before = len(site.trace())
        assert client.publish(f"cam/{PLC}/event/motion", b"{}") == SUCCESS
        assert client.publish(f"cam/{CAM}/temperature", b"20.5") == SUCCESS
        site.until(lambda _: len(site.trace()) == before + 1, "only its own")
    with RawDevice(site.device(CAM)) as client:
        assert client.publish(f"cam/{PLC}/temperature", b"20.5") == NOT_AUTHORISED


def test_what_the_map_cannot_read_is_a_dead_letter_and_the_next_message_enters(site: Site) -> None:
    refused = "messages_refused_total:malformed"
    before, had = counter(site, refused), len(rows(site, CAM))
    assert pub(site.device(CAM), f"cam/{CAM}/temperature", "21,5 C") == ""
    site.until(lambda now: now["counters"].get(refused, 0) == before + 1, "the refusal")
    assert pub(site.device(CAM), f"cam/{CAM}/temperature", "21.5") == ""
    site.until(lambda _: len(rows(site, CAM)) == had + 1, "the good one")


def test_a_retained_event_is_refused_and_the_broker_forgets_it(site: Site) -> None:
    refused = "messages_refused_total:retained"
    before = counter(site, refused)
    pub(site.device(CAM), f"cam/{CAM}/event/motion", json.dumps(MOTION), retain=True)
    site.until(lambda now: now["counters"].get(refused, 0) == before + 1, "the refusal")
    had = len(rows(site, CAM))
    site.kill()
    begin(site)
    assert pub(site.device(CAM), f"cam/{CAM}/temperature", "21.5") == ""
    site.until(lambda _: len(rows(site, CAM)) == had + 1, "the good one alone")


def test_the_end_of_an_event_is_heard_and_kept_nowhere(site: Site) -> None:
    had = len(rows(site, CAM))
    over = json.dumps(MOTION | {"active": False})
    assert pub(site.device(CAM), f"cam/{CAM}/event/motion", over) == ""
    assert pub(site.device(CAM), f"cam/{CAM}/log", "event over") == ""
    site.until(lambda _: len(rows(site, CAM)) == had + 1, "the log line")
    assert rows(site, CAM)[-1]["class"] == "log"
