"""The reference device on a real mosquitto with mutual TLS, in front of a model gateway."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from gateway.broker.mqtt import LinkLostError
from gateway.model.access import Access
from hil.linedevice.connection import read_connection, read_trust
from hil.linedevice.link import Link
from hil.linedevice.outbox import Outbox
from hil.linedevice.payloads import MESSAGEPACK, Stamp, Status, Stream, alert, data
from tests.support.broker import CAM_01, Broker
from tests.support.model_gateway import ModelGateway

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

LIMIT_S = 60
STAMP = Stamp("2f1c7f3e", 1000, 1_700_000_000_000)
PICTURE = b"\x89PNG\r\n\x1a\n\xff\x00"


class Site:
    """A broker, and a gateway that answers by the model for as long as ``listening`` is open."""

    def __init__(self, broker):
        self.broker = broker
        self.gateway = ModelGateway()
        self.heard = []
        """Every delivery: channel, document, content type, retained."""
        self.deaf = False
        self.no_pictures = False

    @contextlib.asynccontextmanager
    async def listening(self):
        async with self.broker.link() as link:
            await link.subscribe("line/+/up/#", 1)
            answering = asyncio.create_task(self._answer(link))
            try:
                yield link
            finally:
                answering.cancel()
                with contextlib.suppress(asyncio.CancelledError, LinkLostError):
                    await answering

    async def _answer(self, link):
        while True:
            for delivery in await link.take(100, 0.5):
                receipt = self._receipt(delivery)
                link.acknowledge([delivery.token])
                if receipt is not None and not self.deaf:
                    link.send("line/cam-01/down/receipt", json.dumps(receipt).encode())

    def _receipt(self, delivery):
        binary = delivery.content_type == MESSAGEPACK
        decode = msgspec.msgpack.decode if binary else msgspec.json.decode
        document, channel = decode(delivery.payload), delivery.topic.split("/")[3]
        self.heard.append((channel, document, delivery.content_type, delivery.retained))
        if channel == "status":
            fresh = document["state"] == "online" and not delivery.retained
            return self.gateway.status(document["last"]["epoch"]) if fresh else None
        epoch, seq, base = (document.pop(name) for name in ("epoch", "seq", "base"))
        receipt = self.gateway.message(epoch, channel, seq, base, repr(document))
        if self.no_pictures and "image" in document["items"][0]:
            receipt |= {"refused": [[channel, seq, "frame"]]}
        return receipt

    def channels(self):
        return [channel for channel, *_ in self.heard]

    def statuses(self):
        return [document["state"] for channel, document, *_ in self.heard if channel == "status"]


@pytest.fixture
async def site():
    async with Broker() as broker:
        yield Site(broker)


def make_folder(broker, name="cam-01"):
    folder = broker.folder / f"device-{name}"
    folder.mkdir()
    pair = broker.bench.device(name)
    connection = {"id": name, "profile": "factory-camera-v2", "host": "127.0.0.1"}
    connection |= {"mqtt_port": broker.port, "https_port": 8443}
    connection |= {"ca": str(broker.bench.ca)}
    connection |= {"certificate": str(pair.certificate), "key": str(pair.key)}
    (folder / "connection.json").write_text(json.dumps(connection))
    return folder


class Device:
    """An outbox and a link; use as ``with``."""

    def __init__(self, folder):
        self.connection = read_connection(folder)
        self.outbox = Outbox(folder / "outbox.db")
        self.said = []
        self.stopping = threading.Event()
        trust = read_trust(folder, self.connection)
        self.link = Link(
            self.connection, trust, self.outbox, self.describe, self.say, self.stopping
        )

    def describe(self, state, last):
        return Status(
            state=state,
            profile=self.connection.profile,
            agent="test",
            boot="2f1c7f3e",
            synced=True,
            slots=(),
            production="running",
            desired_rev=0,
            last=last,
            time=0,
        )

    def say(self, event, **facts):
        self.said.append((event, facts))

    def events(self):
        return [event for event, _ in self.said]

    def put(self, *drafts):
        self.outbox.put(drafts)
        self.link.wake()

    def held(self):
        return {stream.value: len(numbers) for stream, numbers in self.outbox.held().items()}

    def __enter__(self):
        self.link.start()
        return self

    def __exit__(self, *_):
        self.link.stop()
        self.outbox.close()
        assert self.link.failure is None, self.link.failure


async def until(see, what):
    """Wait for a state that the device's thread and the broker reach in real time."""
    for _ in range(LIMIT_S * 50):
        if seen := see():
            return seen
        await asyncio.sleep(0.02)
    msg = f"not within {LIMIT_S} s: {what}"
    raise AssertionError(msg)


def result(n):
    return data(STAMP, "result", [{"n": n}])


async def test_a_device_says_its_status_then_sends_and_empties_its_outbox(site):
    async with site.listening():
        with Device(make_folder(site.broker)) as device:
            device.put(alert(STAMP, {"id": "a", "image": {"data": PICTURE}}), result(1), result(2))
            await until(lambda: not len(device.outbox), "the outbox is empty")
        await until(lambda: site.statuses()[-1] == "offline", "it says goodbye itself")
    assert site.channels() == ["status", "alert", "data", "data", "status"]
    channel, document, content_type, _ = site.heard[1]
    assert (channel, content_type) == ("alert", MESSAGEPACK)
    assert document["items"] == [{"id": "a", "image": {"data": PICTURE}}]
    assert [kind for _, _, kind, _ in site.heard[2:4]] == ["", ""]
    assert not any(retained for *_, retained in site.heard)


async def test_an_alert_whose_picture_is_refused_is_said_again_without_it(site):
    site.no_pictures = True
    item: dict[str, object] = {"id": "a", "label": "scratch"}
    async with site.listening():
        with Device(make_folder(site.broker)) as device:
            device.put(alert(STAMP, item | {"image": {"data": PICTURE}}), alert(STAMP, item))
            await until(lambda: site.channels().count("alert") >= 3, "three alerts")
            await until(lambda: not len(device.outbox), "the outbox is empty")
    said = [document["items"] for channel, document, *_ in site.heard if channel == "alert"]
    assert said == [[item | {"image": {"data": PICTURE}}], [item], [item]]


async def test_the_status_stays_with_the_broker_for_whoever_comes_later(site):
    with Device(make_folder(site.broker)) as device:
        await until(lambda: "connected" in device.events(), "connected")
        async with site.listening():
            await until(lambda: site.heard, "the status is delivered")
            _, document, _, retained = site.heard[0]
            assert retained
            assert document["last"]["epoch"] == device.outbox.epoch


async def test_a_gateway_that_comes_late_finds_everything_in_the_outbox(site):
    with Device(make_folder(site.broker)) as device:
        device.put(*[result(n) for n in range(120)])
        await until(lambda: "connected" in device.events(), "connected")
        assert device.held()["data"] == 120
        async with site.listening():
            await until(lambda: not len(device.outbox), "the outbox is empty")
    stored = site.gateway.epochs[device.outbox.epoch].stored
    assert sorted(seq for _, seq in stored) == list(range(1, 121))


async def test_receipts_that_never_come_are_answered_by_resends_not_by_loss(site):
    site.deaf = True
    async with site.listening():
        with Device(make_folder(site.broker)) as device:
            device.put(result(1))
            await until(lambda: site.channels().count("status") >= 2, "it asks again")
            assert "data" not in site.channels()
            site.deaf = False
            await until(lambda: site.channels().count("data") == 1, "sent")
            await until(lambda: not len(device.outbox), "freed")


@pytest.mark.crash
async def test_a_broker_that_dies_and_comes_back_costs_nothing(site):
    folder = make_folder(site.broker)
    with Device(folder) as device:
        for round_ in range(3):
            async with site.listening():
                device.put(*[result(round_ * 100 + n) for n in range(100)])
                await until(lambda: len(device.outbox) < 100, "some have a receipt")
                os.kill(site.broker.pid, signal.SIGKILL)
            await site.broker.start()
        async with site.listening():
            await until(lambda: not len(device.outbox), "the outbox is empty")
    epoch = site.gateway.epochs[device.outbox.epoch]
    assert epoch.marks["data"] == 300
    assert not epoch.gaps
    assert device.events().count("disconnected") >= 3


async def test_a_conflict_makes_the_device_renumber_and_send_all_of_it_again(site):
    folder = make_folder(site.broker)
    with Outbox(folder / "outbox.db") as outbox:
        first = outbox.epoch
    site.gateway.message(first, "data", 1, 1, "other content")
    async with site.listening():
        with Device(folder) as device:
            device.put(*[result(n) for n in range(60)])
            await until(lambda: "new-epoch" in device.events(), "a new epoch")
            await until(lambda: not len(device.outbox), "the outbox is empty")
            assert device.outbox.epoch != first
    assert site.gateway.epochs[device.outbox.epoch].marks["data"] == 60


async def test_a_quarantined_device_may_say_its_status_and_nothing_else():
    async with Broker({CAM_01: Access.QUARANTINED}) as broker:
        site = Site(broker)
        async with site.listening():
            with Device(make_folder(broker)) as device:
                device.put(result(1))
                await until(lambda: site.channels().count("status") >= 2, "it asks again")
                ((_, facts),) = [one for one in device.said if one[0] == "connected"]
                assert facts == {"refused_topics": ["receipt", "desired"]}
                assert device.held()["data"] == 1
    assert set(site.channels()) == {"status"}


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_device_of_another_site_reaches_nobody_and_says_why(site, tmp_path):
    async with Broker() as other:
        folder = make_folder(other)
        connection = json.loads((folder / "connection.json").read_text())
        connection["mqtt_port"] = site.broker.port
        (folder / "connection.json").write_text(json.dumps(connection))
        with Device(folder) as device:
            await until(lambda: device.said, "it says something")
    event, facts = device.said[0]
    assert event == "unreachable"
    assert "CERTIFICATE_VERIFY_FAILED" in facts["reason"]


async def start(folder, *words):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hil.linedevice", str(folder), "--json", *words),
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.PIPE,
    )


@pytest.mark.crash
async def test_a_kill_9_of_the_device_loses_nothing_and_its_will_says_that_it_is_gone(site):
    folder = make_folder(site.broker)
    async with site.listening():
        for _ in range(3):
            device = await start(folder, "--rate", "50", "--defects", "0.5", "--seed", "7")
            before = len(site.heard)
            await until(lambda at=before: len(site.heard) > at + 40, "it is under way")
            device.kill()
            await device.communicate()
            await until(lambda: site.statuses()[-1] == "offline", "the last will")
        device = await start(folder, "--rate", "5")
        await until(lambda: site.statuses()[-1] == "online", "it is back")
        (epoch,) = site.gateway.epochs.values()
        marks = dict(epoch.marks)
        await until(lambda: epoch.marks["data"] > marks["data"] + 1, "it goes on")
        device.send_signal(signal.SIGTERM)
        said, _ = await device.communicate()
    events = [json.loads(line) for line in said.splitlines()]
    assert device.returncode == 0
    assert [event["event"] for event in (events[0], events[-1])] == ["started", "stopped"]
    assert not epoch.gaps
    assert epoch.conflict is None
    with Outbox(folder / "outbox.db") as outbox:
        last = outbox.last()
        held = {s.value: set(numbers) for s, numbers in outbox.held().items()}
    for stream in Stream:
        had = {seq for name, seq in epoch.stored if name == stream.value}
        given = set(range(1, getattr(last, stream.value) + 1))
        assert had | held[stream.value] == given
    assert site.statuses()[-1] == "offline"
