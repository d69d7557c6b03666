"""Whether a device without a status is there: by what it sends, and by how long it is silent."""

from pathlib import Path
from typing import Any, cast

import pytest

from gateway.app.device import Fleet
from gateway.fleet.folder import read_profiles
from gateway.identity.inventory import Device
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs
from tests.simulators.clock import SteppedClock

SHIPPED = Path(__file__).parents[2] / "firmware-profiles"
PLC, CAM, LINE = DeviceId("plc-01"), DeviceId("stock-01"), DeviceId("cam-01")
PROFILES = {PLC: "line-plc", CAM: "stock-ip-camera", LINE: "virtual-camera"}
PLC_SILENT_AFTER_S = 30


@pytest.fixture
def fleet() -> Fleet:
    nobody = cast("Any", None)
    catalogue = read_profiles(SHIPPED)
    assert isinstance(catalogue, dict)
    made = Fleet(nobody, Path(), SteppedClock(), nobody, nobody, catalogue, lambda: None)
    for name, profile in PROFILES.items():
        made.devices[name] = Device(
            name, profile, Access.ADMITTED, "00", "ff", UnixMs(0), UnixMs(0)
        )
        made._map(name)
    return made


async def wait(fleet: Fleet, seconds: float) -> None:
    await cast("SteppedClock", fleet.clock).step(seconds)


async def test_a_plc_is_online_while_it_sends_and_missed_when_it_is_silent_for_too_long(
    fleet: Fleet,
):
    assert fleet.presence.of(PLC).state == "never-seen"
    assert fleet.heard(PLC, fleet.clock.site()), "it is there now"
    assert fleet.presence.of(PLC).state == "online"
    await wait(fleet, PLC_SILENT_AFTER_S - 1)
    assert fleet.quiet() == []
    assert not fleet.heard(PLC, fleet.clock.site()), "no news"
    await wait(fleet, PLC_SILENT_AFTER_S)
    assert fleet.quiet() == [PLC]
    assert fleet.presence.of(PLC).state == "offline"
    assert fleet.heard(PLC, fleet.clock.site())
    assert fleet.quiet() == []


async def test_nobody_misses_a_device_that_never_sent_anything(fleet: Fleet):
    await wait(fleet, 1_000_000)
    assert fleet.quiet() == []


async def test_after_a_broker_restart_a_plc_has_its_time_before_it_is_missed(fleet: Fleet):
    """It has no status to say anew: it is simply heard again, or not."""
    fleet.heard(PLC, fleet.clock.site())
    fleet.presence.doubt()
    assert fleet.quiet() == []
    await wait(fleet, PLC_SILENT_AFTER_S)
    assert fleet.quiet() == [PLC]


async def test_a_device_with_a_status_is_not_online_by_its_data(fleet: Fleet):
    assert not fleet.heard(LINE, fleet.clock.site())
    assert fleet.presence.of(LINE).state == "offline"
    assert fleet.quiet() == [LINE]


def test_a_topic_belongs_to_the_device_and_rule_of_its_map_and_to_nobody_elses(fleet: Fleet):
    device, rule = fleet.addressed("cam/stock-01/event/motion")
    assert (device, rule and rule.topic) == (CAM, "cam/{id}/event/motion")
    assert fleet.addressed("line/cam-01/up/data") == (LINE, None)
    assert fleet.addressed("cam/plc-01/event/motion")[1] is None
    assert fleet.topics_of(PLC) == ("plc/plc-01/values", "plc/plc-01/fault")
    assert fleet.topics_of(LINE) == ()


def test_alerts_of_maps_are_heard_apart_from_the_rest(fleet: Fleet):
    alerts, rest = fleet.topic_filters()
    assert alerts == ["cam/+/event/motion", "cam/+/event/tamper", "plc/+/fault"]
    assert rest == ["cam/+/log", "cam/+/temperature", "plc/+/values"]
