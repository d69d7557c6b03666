"""What the generated files and the access requests mean to a real mosquitto."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.broker.dynsec import CONTROL, Dynsec
from gateway.broker.mqtt import Link
from gateway.broker.roles import CONTROL_LINK, DATA_LINK, GATEWAY, URGENT_LINK
from gateway.model.access import Access
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId
from tests.support.broker import CAM_01, CAM_02, PASSWORD, Broker
from tests.support.raw_mqtt import (
    ADMINISTRATIVE_ACTION,
    NOT_AUTHORISED,
    SUCCESS,
    ClosedError,
    RawClient,
)

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

EVERYTHING = "line/+/up/#"
DATA = "line/cam-01/up/data"


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with Broker() as running:
        yield running


@asynccontextmanager
async def dynsec(broker: Broker) -> AsyncIterator[tuple[Dynsec, Link]]:
    """Requests for access, and the link that carries them."""
    async with broker.link(CONTROL_LINK) as link, asyncio.TaskGroup() as tasks:
        control = Dynsec(link)
        await control.subscribe()
        answers = tasks.create_task(control.run())
        yield control, link
        answers.cancel()


@asynccontextmanager
async def listening(broker: Broker) -> AsyncIterator[Link]:
    """The gateway's link, subscribed to what devices say."""
    async with broker.link(DATA_LINK) as link:
        await link.subscribe(EVERYTHING, 1)
        yield link


async def heard(link: Link, count: int, within_s: float = 10) -> list[Delivery]:
    """Take and acknowledge ``count`` deliveries, or what came within the time."""
    found: list[Delivery] = []
    while len(found) < count:
        taken = await link.take(count - len(found), within_s)
        if not taken:
            break
        link.acknowledge([one.token for one in taken])
        found += taken
    return found


async def marked(link: Link, control: Link) -> list[Delivery]:
    """Everything that the broker took before now: a marker goes through the same queue."""
    await control.publish("line/zz/up/marker", b"")
    found: list[Delivery] = []
    while not found or not found[-1].topic.endswith("/marker"):
        found += await heard(link, 1)
    return found[:-1]


@pytest.mark.parametrize("version", [5, 4])
async def test_a_device_is_heard_on_its_own_topics(broker: Broker, version: int) -> None:
    async with listening(broker) as link:
        with broker.client("cam-01", version=version) as device:
            assert device.publish(DATA, b"mine") == SUCCESS
            for channel in ("receipt", "access", "desired", "challenge"):
                assert device.subscribe(f"line/cam-01/down/{channel}") == 1
        (delivery,) = await heard(link, 1)
        assert (delivery.topic, delivery.payload) == (DATA, b"mine")


async def test_a_device_that_speaks_as_another_is_refused_by_name(broker: Broker) -> None:
    async with listening(broker) as link, broker.link(CONTROL_LINK) as control:
        with broker.client("cam-01") as device:
            assert device.publish("line/cam-02/up/data", b"x") == NOT_AUTHORISED
            assert device.subscribe("line/cam-02/down/receipt") == NOT_AUTHORISED
        with broker.client("cam-01", version=4) as old:
            assert old.publish("line/cam-02/up/data", b"x") == SUCCESS, "3.1.1 cannot say no"
        assert await marked(link, control) == []


@pytest.mark.parametrize(
    "topic",
    [
        *("#", "line/#", "line/+/up/#", "line/+/down/receipt", "line/cam-01/up/#", "$SYS/#"),
        *(f"{CONTROL}/response", "$CONTROL/#", "gateway/echo", "$share/g/line/cam-01/down/access"),
    ],
)
async def test_a_device_cannot_listen_to_more_than_itself(broker: Broker, topic: str) -> None:
    with broker.client("cam-01") as device:
        assert device.subscribe(topic) == NOT_AUTHORISED


@pytest.mark.parametrize(
    "topic",
    [
        *(CONTROL, "gateway/echo", "gateway/cam-01/status", "line/cam-01/down/access", "anything"),
        *("line/cam-01/up/gossip", "line/cam-01/up/data/x", "line/cam-01/up", "line/cam-01/up/"),
    ],
)
async def test_a_device_can_speak_on_its_topics_of_the_protocol_only(
    broker: Broker, topic: str
) -> None:
    with broker.client("cam-01") as device:
        assert device.publish(topic, b"{}") == NOT_AUTHORISED


async def test_a_certificate_without_an_entry_connects_to_nothing(broker: Broker) -> None:
    with broker.client("cam-99") as stranger:
        assert stranger.publish("line/cam-99/up/status", b"{}") == NOT_AUTHORISED
        assert stranger.subscribe("line/cam-99/down/access") == NOT_AUTHORISED
        assert stranger.subscribe("#") == NOT_AUTHORISED


async def test_a_quarantined_device_can_only_prove_itself() -> None:
    async with Broker({CAM_01: Access.QUARANTINED}) as broker, listening(broker) as link:
        with broker.client("cam-01") as device:
            for channel in ("alert", "data", "update", "infer"):
                assert device.publish(f"line/cam-01/up/{channel}", b"x") == NOT_AUTHORISED
            for channel in ("status", "evidence"):
                assert device.publish(f"line/cam-01/up/{channel}", b"x") == SUCCESS
            for channel in ("receipt", "desired", "#"):
                assert device.subscribe(f"line/cam-01/down/{channel}") == NOT_AUTHORISED
            for channel in ("challenge", "access"):
                assert device.subscribe(f"line/cam-01/down/{channel}") == 1
        said = [delivery.topic for delivery in await heard(link, 3, within_s=1)]
        assert said == ["line/cam-01/up/status", "line/cam-01/up/evidence"]


async def test_a_revoked_device_can_do_nothing() -> None:
    async with Broker({CAM_01: Access.REVOKED}) as broker:
        with broker.client("cam-01") as device:
            assert device.publish("line/cam-01/up/status", b"x") == NOT_AUTHORISED
            assert device.subscribe("line/cam-01/down/access") == NOT_AUTHORISED


async def test_a_device_cannot_take_the_client_id_of_another(broker: Broker) -> None:
    async with listening(broker):
        with broker.client("cam-01") as victim:
            with broker.client("cam-02", identifier="cam-01") as thief:
                assert thief.publish("line/cam-01/up/data", b"x") == NOT_AUTHORISED
                assert thief.publish("line/cam-02/up/data", b"x") == SUCCESS
            assert victim.publish(DATA, b"still here") == SUCCESS


@pytest.mark.parametrize(
    "name", ["gateway-control", "gateway-data", "gateway-urgent", "gateway-echo"]
)
async def test_no_name_of_a_device_ends_the_gateways_own_connection(name: str) -> None:
    async with (
        Broker({DeviceId(name): Access.ADMITTED}) as broker,
        dynsec(broker) as (control, _),
        listening(broker),
    ):
        for identifier in (name, CONTROL_LINK, DATA_LINK, URGENT_LINK, GATEWAY):
            with broker.client(name, identifier=identifier) as device:
                assert device.publish(f"line/{name}/up/data", b"x") == SUCCESS
        await control.echo()


@pytest.mark.parametrize(("username", "password"), [("", ""), (GATEWAY, "wrong"), ("x", PASSWORD)])
async def test_the_gateways_own_door_opens_to_nobody_else(
    broker: Broker, username: str, password: str
) -> None:
    door = RawClient("x", unix_socket=broker.socket, username=username, password=password)
    try:
        assert door.connect() == NOT_AUTHORISED
    finally:
        door.abort()


async def test_what_is_retained_for_a_device_reaches_it_whenever_it_comes(broker: Broker) -> None:
    async with broker.link() as link:
        await link.publish("line/cam-01/down/access", b'{"state":"admitted"}', retain=True)
    with broker.client("cam-01") as device:
        device.subscribe("line/cam-01/down/access")
        access = device.until_heard(lambda one: one.retained, "the retained access")
        assert access.document == {"state": "admitted"}


class Flood(threading.Thread):
    """A device that publishes as fast as it can, and comes back whenever it is cut off."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self.stop = threading.Event()
        self.refused = threading.Event()
        self.codes: list[int | None] = []

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            device = self._broker.client("cam-01")
            try:
                with device:
                    while not self.stop.is_set():
                        number += 1
                        if device.publish(DATA, b"%d" % number) == NOT_AUTHORISED:
                            self.refused.set()
            except ClosedError:
                self.codes.append(device.disconnect_code)


async def test_after_the_answer_to_a_change_of_access_nothing_gets_through(broker: Broker) -> None:
    flood = Flood(broker)
    async with listening(broker) as link, dynsec(broker) as (control, control_link):
        flood.start()
        try:
            assert len(await heard(link, 50)) == 50
            await control.change(CAM_01, Access.QUARANTINED)
            await marked(link, control_link)  # what came before the answer
            assert await asyncio.to_thread(flood.refused.wait, 15)
            late = await marked(link, control_link)
        finally:
            flood.stop.set()
            await asyncio.to_thread(flood.join)
    assert late == []
    assert flood.codes == [ADMINISTRATIVE_ACTION], "the device was cut off, once, and told why"


async def test_a_device_that_comes_back_from_quarantine_takes_part_again(broker: Broker) -> None:
    async with listening(broker), dynsec(broker) as (control, _):
        await control.change(CAM_01, Access.QUARANTINED)
        await control.change(CAM_01, Access.ADMITTED)
        with broker.client("cam-01") as device:
            assert device.publish(DATA, b"x") == SUCCESS


async def test_a_new_device_is_let_in_while_others_stay_connected(broker: Broker) -> None:
    async with listening(broker), dynsec(broker) as (control, _):
        with broker.client("cam-01") as old, broker.client("cam-03") as new:
            assert new.publish("line/cam-03/up/data", b"x") == NOT_AUTHORISED
            await control.add(DeviceId("cam-03"), Access.ADMITTED)
            assert new.publish("line/cam-03/up/data", b"x") == SUCCESS
            assert old.publish(DATA, b"x") == SUCCESS


async def test_a_device_that_was_added_half_way_is_added_whole(broker: Broker) -> None:
    async with dynsec(broker) as (control, link):
        half = {"command": "createRole", "rolename": "device-cam-03"}
        await link.publish(CONTROL, json.dumps({"commands": [half]}).encode())
        await control.add(DeviceId("cam-03"), Access.ADMITTED)
        await control.add(DeviceId("cam-03"), Access.ADMITTED)
        assert (await control.granted())["cam-03"] == {"device-cam-03"}


async def test_an_access_taken_away_while_nobody_looked_is_taken_away_at_once(
    broker: Broker,
) -> None:
    wanted = {
        CAM_01: Access.QUARANTINED,  # the broker still grants it everything
        CAM_02: Access.ADMITTED,
        DeviceId("cam-03"): Access.ADMITTED,  # the broker does not know it
    }
    async with listening(broker), dynsec(broker) as (control, _):
        with broker.client("cam-01") as cut, broker.client("cam-02") as spared:
            await control.reconcile(wanted)
            assert cut.until_closed() == ADMINISTRATIVE_ACTION
            assert spared.publish("line/cam-02/up/data", b"x") == SUCCESS
        granted = await control.granted()
    assert granted["cam-01"] == {"quarantined-cam-01"}
    assert granted["cam-03"] == {"device-cam-03"}
