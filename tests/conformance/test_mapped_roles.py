"""Topic maps at a real mosquitto: what a map adds to a role, also at a broker that ran on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.broker.dynsec import Dynsec
from gateway.broker.limits import BrokerLimits
from gateway.broker.roles import CONTROL_LINK
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from tests.support.broker import CAM_01, CAM_02, Broker
from tests.support.ports import free_port
from tests.support.raw_mqtt import NO_SUBSCRIBER, NOT_AUTHORISED

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

ALLOWED = NO_SUBSCRIBER  # nobody listens in these tests, and the broker says so


def mapped(device: DeviceId) -> tuple[str, ...]:
    """The topic map that the gateway now has: cam-01 has gained one."""
    return (f"cam/{device}/alarm",) if device == CAM_01 else ()


@asynccontextmanager
async def dynsec(broker: Broker) -> AsyncIterator[Dynsec]:
    async with broker.link(CONTROL_LINK) as link, asyncio.TaskGroup() as tasks:
        control = Dynsec(link, topics=mapped)
        await control.subscribe()
        answers = tasks.create_task(control.run())
        yield control
        answers.cancel()


async def test_a_broker_that_ran_on_learns_a_map_that_has_changed_and_spares_all_others() -> None:
    async with Broker() as broker, dynsec(broker) as control:
        with broker.client("cam-01") as changed, broker.client("cam-02") as spared:
            assert changed.publish("cam/cam-01/alarm", b"x") == NOT_AUTHORISED
            await control.reconcile({CAM_01: Access.ADMITTED, CAM_02: Access.ADMITTED})
            assert changed.publish("cam/cam-01/alarm", b"x") == ALLOWED, "and stays connected"
            assert spared.publish("line/cam-02/up/data", b"x") == ALLOWED
        with broker.client("cam-01") as device, broker.client("cam-02") as other:
            assert device.publish("cam/cam-01/alarm", b"x") == ALLOWED
            assert device.publish("line/cam-01/up/data", b"x") == ALLOWED
            assert other.publish("cam/cam-01/alarm", b"x") == NOT_AUTHORISED
            assert other.publish("cam/cam-02/alarm", b"x") == NOT_AUTHORISED


async def test_a_topic_that_left_a_map_is_refused_from_then_on() -> None:
    async with Broker() as broker, dynsec(broker) as control:
        await control.reconcile({CAM_01: Access.ADMITTED})
        with broker.client("cam-01") as device:
            assert device.publish("cam/cam-01/alarm", b"x") == ALLOWED
            control._topics = lambda _: ()  # the next gateway's
            await control.reconcile({CAM_01: Access.ADMITTED})
            assert device.publish("cam/cam-01/alarm", b"x") == NOT_AUTHORISED
            assert device.publish("line/cam-01/up/data", b"x") == ALLOWED


async def test_a_new_device_may_use_its_map_at_once_and_not_in_quarantine() -> None:
    async with Broker({CAM_01: Access.QUARANTINED}) as broker, dynsec(broker) as control:
        await control.reconcile({CAM_01: Access.QUARANTINED})
        with broker.client("cam-01") as device:
            assert device.publish("cam/cam-01/alarm", b"x") == NOT_AUTHORISED
        await control.change(CAM_01, Access.ADMITTED)
        with broker.client("cam-01") as device:
            assert device.publish("cam/cam-01/alarm", b"x") == ALLOWED


async def test_many_devices_are_added_while_the_brokers_memory_is_bounded() -> None:
    """mosquitto's own memory_limit ends the gateway's connection here after a few of them."""
    limits = BrokerLimits(port=free_port(), listen="127.0.0.1", memory_bytes_max=2**26)
    async with Broker(limits=limits) as broker, dynsec(broker) as control:
        for number in range(40):
            await control.add(DeviceId(f"dev-{number}"), Access.ADMITTED)
        assert len(await control.granted()) >= 42
