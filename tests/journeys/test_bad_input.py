"""Whatever a device sends, and whoever it is: it is refused by name, and the line goes on.

After each attack the same gateway process must run and the good device must get the receipt of
its next message; the fixture ``scene`` sees to that. Three devices share the attacks: of one
that sends nothing else the log soon leaves out lines.
"""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec
import pytest

from tests.support.attacks import IN_PLACE, MSGPACK, NOWHERE, SECRET, Attack
from tests.support.certificates import site_bench
from tests.support.raw_device import RawDevice, alert, result, trust
from tests.support.raw_mqtt import (
    MALFORMED_PACKET,
    NOT_AUTHORISED,
    PACKET_TOO_LARGE,
    SUBSCRIPTION_FAILED,
    SUCCESS,
    ClosedError,
    RawClient,
    Will,
    packet,
)
from tests.support.site import Document, Site

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

OVER_THE_LIMIT_BYTES = 500_000
_content = count(1)


@dataclass
class Scene:
    """The site, the device that behaves, and those that do not."""

    site: Site
    good: RawDevice
    log_from: int

    @property
    def folder(self) -> Path:
        return self.site.device("cam-02")

    def bad(self, name: str = "cam-02", *, version: int = 5) -> RawDevice:
        return RawDevice(self.site.device(name), version=version)

    def counted(self, counter: str, before: int) -> None:
        self.site.until(
            lambda now: now["counters"].get(counter, 0) == before + 1, f"{counter} counts one"
        )

    def logged(self, *words: str) -> None:
        line = self.site.until_logged(words[0], after=self.log_from)
        assert all(word in line for word in words), line


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as made:
        for name in ("cam-01", "cam-02", "cam-03", "cam-04"):
            made.device(name)
        # A receipt comes sooner, and what one device sends at once is read, not refused unread.
        made.configure("intake", data_linger_ms=10, window=200, max_devices=100)
        made.start()
        yield made


@pytest.fixture(scope="module")
def good(site: Site) -> Iterator[RawDevice]:
    with RawDevice(site.device("cam-01")) as device:
        device.join()
        yield device


@pytest.fixture
def scene(site: Site, good: RawDevice) -> Iterator[Scene]:
    assert site.process is not None
    pid = site.process.pid
    yield Scene(site, good, len(site.log()))
    assert site.status()["pid"] == pid, "the gateway stays up"
    receipt = good.say("data", [result(next(_content))])
    assert "refused" not in receipt


# What the gateway itself reads and refuses.


def refused_by_name(scene: Scene, attack: Attack, device: RawDevice) -> None:
    counter = f"messages_refused_total:{attack.reason}"
    before = scene.site.counter(counter)
    stored = scene.site.counter("messages_stored_total")
    code = device.publish(
        device.up(attack.channel),
        attack.make(device),
        retain=attack.retain,
        content=attack.content,
    )
    assert code == SUCCESS, "the broker passes it on: what it means is the gateway's business"
    scene.counted(counter, before)
    scene.logged("event=refused", f"device={device.id}", f"reason={attack.reason}", attack.says)
    assert scene.site.counter("messages_stored_total") == stored
    assert SECRET not in scene.site.log(), "no value of a device stands in the log"


@pytest.mark.parametrize("attack", NOWHERE, ids=lambda attack: attack.name)
def test_what_has_no_readable_place_is_counted_and_named(scene: Scene, attack: Attack) -> None:
    with scene.bad("cam-03") as device:
        device.join()
        refused_by_name(scene, attack, device)
        assert device.say("data", [result()], seq=1, base=1)["data"] == 1


@pytest.mark.parametrize("attack", IN_PLACE, ids=lambda attack: attack.name)
def test_what_has_a_place_is_refused_in_the_receipt(scene: Scene, attack: Attack) -> None:
    with scene.bad("cam-04") as device:
        device.join()
        refused_by_name(scene, attack, device)
        assert device.refusal(attack.stream, 1) == attack.reason
        assert device.receipt(**{attack.stream: 1}), "the mark moves: it is refused for good"


def test_a_refused_message_does_not_block_the_next(scene: Scene) -> None:
    with scene.bad() as device:
        device.join()
        for payload in (b"\x00", json.dumps(device.envelope("data", [{}])).encode()):
            device.publish(device.up("data"), payload)
        assert device.refusal("data", 1) == "malformed"
        assert device.say("data", [result()])["data"] == 2


def test_a_device_that_sends_what_is_refused_is_named_as_a_problem(scene: Scene) -> None:
    with scene.bad() as device:
        device.join()
        device.publish(device.up("data"), b"?")

    def named(status: Document) -> list[Document]:
        return [
            one
            for one in status["problems"]
            if (one["code"], one["subject"]) == ("dead-letters-many", "cam-02")
        ]

    (problem,) = named(scene.site.until(named, "the problem"))
    assert "malformed" in problem["detail"]


def test_no_device_writes_lines_into_the_log(scene: Scene) -> None:
    forged = "x\n2026-01-01 00:00:00,000 CRITICAL gateway: \x1b[31mforged"
    with scene.bad() as device:
        device.join()
        for changes in ({forged: 1}, {"type": forged}, {"v": forged}):
            device.publish(
                device.up("data"),
                json.dumps(device.envelope("data", [result()], **changes)).encode(),
            )
        device.refusal("data", 3)
    log = scene.site.log()[scene.log_from :]
    assert not any(line.startswith("2026-01-01") for line in log.splitlines())
    assert "\x1b" not in log


def test_a_device_cannot_fill_the_log(scene: Scene) -> None:
    counter = "messages_refused_total:malformed"
    before = scene.site.counter(counter)
    with scene.bad() as device:
        device.join()
        for _ in range(300):
            device.post(device.up("data"), b"?")
        scene.site.until(
            lambda now: now["counters"].get(counter, 0) == before + 300, "each one is counted"
        )
    assert scene.site.log()[scene.log_from :].count("event=refused") <= 40


# What the broker refuses before the gateway can see it.


@pytest.mark.parametrize("version", [5, 4])
def test_an_oversized_packet_ends_the_connection(scene: Scene, version: int) -> None:
    counter = "broker_refused_total:oversize-packet"
    before = scene.site.counter(counter)
    with scene.bad(version=version) as device:
        device.join()
        device.send(packet(0x32, b"x" * OVER_THE_LIMIT_BYTES)[:100])  # what follows is not read
        assert device.until_closed() == (PACKET_TOO_LARGE if version == 5 else None)
    scene.counted(counter, before)
    scene.logged("reason=oversize-packet", "cam-02", "oversize")


@pytest.mark.parametrize("version", [5, 4])
def test_a_message_on_another_devices_topic_arrives_nowhere_and_is_counted_and_named(
    scene: Scene, version: int
) -> None:
    counter = "broker_refused_total:foreign-topic"
    before = scene.site.status()["counters"]
    with scene.bad(version=version) as device:
        device.join()
        envelope = json.dumps(device.envelope("data", [result()])).encode()
        answer = NOT_AUTHORISED if version == 5 else SUCCESS  # 3.1.1 cannot say no
        assert device.publish("line/cam-01/up/data", envelope) == answer
        scene.counted(counter, before.get(counter, 0))
        assert device.publish("line/cam-01/up/status", device.status("offline")) == answer
        scene.counted(counter, before.get(counter, 0) + 1)
        device.say("data", [result()])  # behind it on the same connection
    for channel in ("data", "status"):
        scene.logged(
            f"may not publish to line/cam-01/up/{channel}",
            *("event=broker-says", "reason=foreign-topic", "device=cam-02"),
        )
    after = scene.site.status()["counters"]
    assert after["messages_stored_total"] == before["messages_stored_total"] + 1
    assert scene.site.of("cam-01")["state"] == "online"


@pytest.mark.parametrize("version", [5, 4])
@pytest.mark.parametrize("channel", ["gossip", "data/x", "alert/", "STATUS"])
def test_a_topic_that_the_protocol_does_not_have_is_refused_and_counted(
    scene: Scene, channel: str, version: int
) -> None:
    counter = "broker_refused_total:denied-topic"
    before = scene.site.status()["counters"]
    with scene.bad(version=version) as device:
        device.join()
        envelope = json.dumps(device.envelope("data", [result()])).encode()
        answer = NOT_AUTHORISED if version == 5 else SUCCESS  # 3.1.1 cannot say no
        assert device.publish(device.up(channel), envelope, retain=True) == answer
    scene.counted(counter, before.get(counter, 0))
    scene.logged("reason=denied-topic", "device=cam-02", "a topic that the protocol does not have")
    after = scene.site.status()["counters"]
    assert after["messages_stored_total"] == before["messages_stored_total"]


def test_what_a_device_calls_its_topic_does_not_stand_in_the_log(scene: Scene) -> None:
    with scene.bad() as device:
        device.join()
        assert device.publish(f"private/{SECRET}", b"{}") == NOT_AUTHORISED
    scene.logged("reason=foreign-topic", "device=cam-02", "a topic that the protocol does not have")
    assert SECRET not in scene.site.log()


@pytest.mark.parametrize("version", [5, 4])
def test_a_device_that_listens_for_another_hears_nothing_and_is_named(
    scene: Scene, version: int
) -> None:
    counter = "broker_refused_total:foreign-subscription"
    before = scene.site.counter(counter)
    with scene.bad(version=version) as device:
        device.join()
        answer = NOT_AUTHORISED if version == 5 else SUBSCRIPTION_FAILED
        assert device.subscribe("line/cam-01/down/#") == answer
    scene.counted(counter, before)
    scene.logged("may not subscribe to line/cam-01/down/#", "device=cam-02")


def test_the_last_will_of_a_device_cannot_speak_for_another(scene: Scene) -> None:
    counter = "broker_refused_total:foreign-topic"
    before = scene.site.counter(counter)
    device = scene.bad()
    device._will = Will("line/cam-01/up/status", device.status("offline"))
    with device:
        device.join()
        device.abort()
    with scene.bad() as device:
        device.join()  # the gateway has heard the broker since
    assert scene.site.of("cam-01")["state"] == "online"
    scene.counted(counter, before)
    scene.logged("may not publish to line/cam-01/up/status", "device=cam-02")


def test_a_device_without_a_certificate_is_not_let_in(scene: Scene) -> None:
    counter = "broker_refused_total:certificate"
    before = scene.site.counter(counter)
    anonymous = RawClient("cam-02", port=scene.site.mqtt_port, tls=trust(scene.folder))
    with pytest.raises(ClosedError):
        anonymous.connect()
    anonymous.abort()
    scene.counted(counter, before)
    scene.logged("reason=certificate", "did not return a certificate")


def test_a_certificate_of_another_ca_is_not_let_in(scene: Scene, tmp_path: Path) -> None:
    counter = "broker_refused_total:certificate"
    before = scene.site.counter(counter)
    pair = site_bench(tmp_path / "other", scene.site.name).device("cam-02")
    context = trust(scene.folder)
    context.load_cert_chain(pair.certificate, pair.key)
    stranger = RawClient("cam-02", port=scene.site.mqtt_port, tls=context)
    with pytest.raises(ClosedError):
        stranger.connect()
    stranger.abort()
    scene.counted(counter, before)
    scene.logged("reason=certificate", "certificate verify failed")


def test_a_connection_without_tls_is_not_let_in(scene: Scene) -> None:
    counter = "broker_refused_total:tls"
    before = scene.site.counter(counter)
    plain = RawClient("cam-02", port=scene.site.mqtt_port)
    with pytest.raises(ClosedError):
        plain.connect()
    plain.abort()
    scene.counted(counter, before)
    scene.logged("reason=tls", "wrong version number")


@pytest.mark.parametrize(
    ("raw", "reason", "code"),
    [
        (b"\xff\xff\xff\xff\xff\xff", "protocol-error", None),
        (packet(0x32, b"\x00\x40abc"), "malformed-packet", MALFORMED_PACKET),
        (packet(0x10, b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"), "protocol-error", None),
    ],
    ids=["garbage", "a torn publish", "a second CONNECT"],
)
def test_what_is_no_mqtt_ends_the_connection(
    scene: Scene, raw: bytes, reason: str, code: int | None
) -> None:
    counter = f"broker_refused_total:{reason}"
    before = scene.site.counter(counter)
    with scene.bad() as device:
        device.join()
        device.send(raw)
        found = device.until_closed()
        assert code is None or found == code
    scene.counted(counter, before)
    scene.logged(f"reason={reason}", "cam-02")


def test_half_open_handshakes_keep_nobody_out(scene: Scene) -> None:
    hung = [socket.create_connection(("127.0.0.1", scene.site.mqtt_port)) for _ in range(100)]
    try:
        with scene.bad() as device:
            device.join()
            assert device.say("data", [result()])["data"] == 1
    finally:
        for one in hung:
            one.close()


# What is unusual and right.


def test_a_client_of_mqtt_3_works_normally(scene: Scene) -> None:
    with scene.bad(version=4) as device:
        assert device.join() == {"epoch": device.epoch, "alert": 0, "data": 0}
        assert device.say("data", [result(1)]) == {"epoch": device.epoch, "alert": 0, "data": 1}
        assert device.say("alert", [alert(1)]) == {"epoch": device.epoch, "alert": 1, "data": 1}
    assert scene.site.of("cam-02")["alert"] == 1


def test_messagepack_carries_bytes_as_they_are(scene: Scene) -> None:
    with scene.bad() as device:
        device.join()
        picture = {"type": "image/png", "data": b"\x89PNG\x00\xff"}
        envelope = device.envelope("alert", [alert() | {"image": picture}])
        payload = msgspec.msgpack.encode(envelope)
        assert device.publish(device.up("alert"), payload, content=MSGPACK) == SUCCESS
        assert device.receipt(alert=1) == {"epoch": device.epoch, "alert": 1, "data": 0}


def test_tls_below_1_2_is_refused(scene: Scene) -> None:
    context = trust(scene.folder, certificate=scene.folder)
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    old = RawClient("cam-02", port=scene.site.mqtt_port, tls=context)
    with pytest.raises(ClosedError):
        old.connect()
