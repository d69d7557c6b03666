"""The gateway's link on a real mosquitto: acknowledged by hand, bounded, honest when it ends.

Manual acknowledgement goes through private attributes of aiomqtt; these tests are what
allows that: an upgrade that moves them fails here.
"""

import asyncio
import gc
import os
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.broker.mqtt import (
    INBOX_MESSAGES_MAX,
    INBOX_MESSAGES_RESUME,
    RECEIVE_MAXIMUM,
    Link,
    LinkLostError,
)
from gateway.broker.roles import DATA_LINK
from gateway.model.errors import OperatorFaultError
from tests.support.broker import Broker
from tests.support.raw_mqtt import SUCCESS, ClosedError
from tests.support.until import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

DATA = "line/cam-01/up/data"
SESSION_S = 3_600
SLACK = 200
"""Messages of one read of the socket that still enter after the mark."""


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with Broker() as running:
        yield running


def say(broker: Broker, numbers: range, qos: int = 1) -> None:
    """Publish these numbers as cam-01, and return when the broker has them."""
    with broker.client("cam-01") as device:
        for number in numbers:
            device.post(DATA, b"%d" % number, qos=qos)
        assert device.publish(DATA, b"last") == SUCCESS


async def numbers(link: Link, *, most: int = 10_000, acknowledge: bool = True) -> list[int]:
    """Take deliveries up to ``last`` or ``most``."""
    found: list[int] = []
    while len(found) < most:
        taken = await link.take(most - len(found), 15)
        assert taken, f"nothing came after {found[-3:]}"
        if acknowledge:
            link.acknowledge([one.token for one in taken])
        found += [int(one.payload) for one in taken if one.payload != b"last"]
        if taken[-1].payload == b"last":
            break
    return found


async def test_what_was_not_acknowledged_comes_again_and_nothing_else(broker: Broker) -> None:
    async with broker.link(DATA_LINK, session_s=SESSION_S) as link:
        await link.subscribe("line/+/up/#", 1)
        await asyncio.to_thread(say, broker, range(10))
        assert await numbers(link, most=4) == [0, 1, 2, 3]
        assert await numbers(link, acknowledge=False) == [4, 5, 6, 7, 8, 9]
    async with broker.link(DATA_LINK, session_s=SESSION_S) as link:
        assert await numbers(link) == [4, 5, 6, 7, 8, 9]
    async with broker.link(DATA_LINK, session_s=SESSION_S) as link:
        assert await link.take(1, 0.5) == []


async def test_nothing_is_acknowledged_before_it_is_asked_for(broker: Broker) -> None:
    """aiomqtt by itself acknowledges what it queued in memory; a crash then loses it."""
    async with broker.link(DATA_LINK, session_s=SESSION_S) as link:
        await link.subscribe("line/+/up/#", 1)
        await asyncio.to_thread(say, broker, range(5))
        assert len(await numbers(link, acknowledge=False)) == 5
    async with broker.link(DATA_LINK, session_s=SESSION_S) as link:
        assert len(await numbers(link)) == 5


async def test_what_was_said_while_the_gateway_was_away_waits_for_it(broker: Broker) -> None:
    async with broker.link(DATA_LINK, session_s=SESSION_S) as link:
        await link.subscribe("line/+/up/#", 1)
    await asyncio.to_thread(say, broker, range(300))
    async with broker.link(DATA_LINK, session_s=SESSION_S) as link:
        assert await numbers(link) == list(range(300))


async def paused(link: Link) -> int:
    """Wait until the socket is not read any more; return how much the inbox holds."""
    for _ in range(3_000):
        if link._paused_at is not None:
            return len(link._inbox.held)
        await asyncio.sleep(0.01)
    return pytest.fail("the inbox grows and grows")


async def test_a_flood_stops_the_reading_and_not_the_gateway(broker: Broker) -> None:
    sent = range(5 * INBOX_MESSAGES_MAX)
    async with broker.link(DATA_LINK) as link:
        await link.subscribe("line/+/up/#", 1)
        flood = threading.Thread(target=say, args=(broker, sent, 0))
        flood.start()
        held = await paused(link)
        await asyncio.to_thread(flood.join)
        assert held == await paused(link), "the flood went on, the reading did not"
        assert INBOX_MESSAGES_MAX <= held <= INBOX_MESSAGES_MAX + SLACK
        found = await numbers(link, most=held - INBOX_MESSAGES_RESUME)
        found += await numbers(link)
    assert found == list(sent), "it reads on, and the broker had kept the rest"


async def test_an_intake_that_falls_behind_holds_a_bounded_number(broker: Broker) -> None:
    """Mosquitto 2.0 lets more and more be under way with each acknowledgement."""
    sent = range(5 * INBOX_MESSAGES_MAX)
    async with broker.link(DATA_LINK) as link:
        await link.subscribe("line/+/up/#", 1)
        flood = threading.Thread(target=say, args=(broker, sent))
        flood.start()
        found: list[int] = []
        most = 0
        while link._paused_at is None and len(found) < len(sent) // 2:
            found += await numbers(link, most=20)
            for _ in range(5):  # it takes less than comes
                await asyncio.sleep(0.002)
                most = max(most, len(link._inbox.held))
        found += await numbers(link)
        await asyncio.to_thread(flood.join)
    assert RECEIVE_MAXIMUM < most <= INBOX_MESSAGES_MAX + SLACK
    assert found == list(sent)


async def test_a_link_whose_broker_died_says_so_to_everybody(broker: Broker) -> None:
    async with broker.link(DATA_LINK) as link:
        await link.subscribe("line/+/up/#", 1)
        waiting = asyncio.ensure_future(link.take(1, None))
        await asyncio.to_thread(say, broker, range(1))
        (first,) = await waiting
        waiting = asyncio.ensure_future(link.take(1, None))
        await waiting
        waiting = asyncio.ensure_future(link.take(1, None))
        os.kill(broker.pid, 9)
        with pytest.raises(LinkLostError):
            await waiting
        with pytest.raises(LinkLostError):
            link.acknowledge([first.token])
        with pytest.raises(LinkLostError):
            link.send("line/cam-01/down/receipt", b"{}")
        with pytest.raises(LinkLostError):
            await link.publish("line/cam-01/down/access", b"{}")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def refused(at: Path, password: str) -> str:
    link = Link(str(at), identifier="x", username="gateway", password=password)
    with pytest.raises(OperatorFaultError, match="does not accept the gateway") as error:
        async with link:
            pass
    return f"{type(error.value).__name__}: {error.value}"


async def test_attempts_that_fail_say_why_and_leave_no_socket_open(broker: Broker) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    before = open_files()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(broker.folder / "silent.sock"))
        silent.listen()
        async with asyncio.TaskGroup() as tasks:
            hung = [
                tasks.create_task(refused(broker.folder / "silent.sock", "x")) for _ in range(5)
            ]
        assert all(one.result().startswith("BrokerSilentError") for one in hung)
        turned_away = await refused(broker.socket, "wrong")
    assert turned_away.startswith("LinkLostError")
    assert "Not authorized" in turned_away
    most = before + 1  # at most the pipe that wakes the loop
    await asyncio.to_thread(until, lambda: open_files() <= most, "their sockets are closed")
    gc.collect()  # what nobody looked at complains when it goes
    assert complaints == []


async def test_a_device_that_ends_in_the_middle_of_a_packet_disturbs_nobody(
    broker: Broker,
) -> None:
    async with broker.link(DATA_LINK) as link:
        await link.subscribe("line/+/up/#", 1)
        torn = broker.client("cam-02")
        assert torn.connect() == SUCCESS
        torn.send(b"\x32\xff\x7f\x00\x12line/cam-02/up")
        torn.abort()
        with pytest.raises(ClosedError):
            torn.publish("line/cam-02/up/data", b"x")
        await asyncio.to_thread(say, broker, range(3))
        assert await numbers(link) == [0, 1, 2]


class HalfGate:
    """Lets in the even numbers only."""

    def __init__(self) -> None:
        self.inside = 0
        self.turned_away = 0

    def enter(self, topic: str, size_bytes: int, qos: int) -> bool:
        self.turned_away += size_bytes % 2
        self.inside += 1 - size_bytes % 2
        return size_bytes % 2 == 0

    def leave(self, topic: str) -> None:
        self.inside -= 1


async def test_what_the_gate_turns_away_is_not_seen_again_and_the_rest_is(broker: Broker) -> None:
    """It is acknowledged, but never before a message that came ahead of it."""
    gate = HalfGate()

    def talk() -> None:
        with broker.client("cam-01") as device:
            for size in range(1, 41):
                assert device.publish(DATA, b"x" * size) == SUCCESS

    async with broker.link(DATA_LINK, session_s=SESSION_S, gate=gate) as link:
        await link.subscribe("line/+/up/#", 1)
        await asyncio.to_thread(talk)
        taken: list[int] = []
        while len(taken) < 10:
            taken += [len(one.payload) for one in await link.take(10 - len(taken), 15)]
        assert taken == list(range(2, 22, 2))
    assert (gate.turned_away, gate.inside) == (20, 0), "what was left behind has left the inbox"
    async with broker.link(DATA_LINK, session_s=SESSION_S) as link:
        again: list[int] = []
        while 40 not in again:
            again += [len(one.payload) for one in await link.take(100, 15)]
        # Nothing was acknowledged past the first that was not: order is kept (MQTT 5, 4.6).
        assert again == list(range(2, 41)), again
