"""Devices that are enrolled while the broker is not to be reached, or only just."""

import asyncio
from typing import Any

from gateway.app.device import Fleet
from gateway.identity.inventory import Device
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs

NOTHING: Any = None
DEVICE = Device(DeviceId("cam-01"), "p", Access.ADMITTED, "1", "f", UnixMs(0), UnixMs(0))


async def test_a_device_that_comes_while_a_connection_begins_is_taught_before_it_is_let_go():
    fleet = Fleet(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, {}, lambda: None)
    async with asyncio.TaskGroup() as tasks:
        # The connection has read the inventory already, and is not there yet for others to use.
        adding = tasks.create_task(fleet._tell_broker(DEVICE), name="adding")
        await asyncio.sleep(0)
        assert fleet.behind
        assert not adding.done()
        fleet.taught.ring()
