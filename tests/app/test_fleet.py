"""Devices that are enrolled while the broker is not to be reached, or only just."""

from typing import Any

from gateway.app.device import Fleet
from gateway.identity.inventory import Device
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs

NOTHING: Any = None
DEVICE = Device(DeviceId("cam-01"), "p", Access.ADMITTED, "1", "f", UnixMs(0), UnixMs(0))


async def test_a_device_that_comes_while_a_connection_begins_is_taught_when_it_stands():
    fleet = Fleet(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, {}, lambda: None)
    # The connection has read the inventory already, and is not there yet for others to use.
    assert fleet.control is None
    await fleet._tell_broker(DEVICE)
    assert fleet.behind
