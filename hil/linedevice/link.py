"""The link to the gateway: paho-mqtt on one thread, which does what ``protocol`` decides.

Rules:
- Everything of MQTT happens on this thread, so nothing here is locked. Other threads put
  messages into the outbox and call ``wake``.
- Each connection is a new paho client. A kept one would publish what it still has before
  our status, and perhaps of an epoch that is over.
- The session is clean: all state that matters is in the outbox.
- A topic is subscribed by its own name, never as ``down/#``: in quarantine the broker
  refuses a filter that covers more than the device may read.
"""

import contextlib
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final, Literal, cast

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from hil.linedevice import payloads
from hil.linedevice.connection import Connection
from hil.linedevice.outbox import Outbox
from hil.linedevice.protocol import NewEpoch, Plan, Sender, Settled, spread

SUBSCRIPTIONS: Final = {"receipt": 0, "access": 1, "desired": 1, "challenge": 1}
"""Topic below ``line/<id>/down/`` and its QoS. A lost receipt is repaired by the next."""
KEEPALIVE_S: Final = 30
CONNECT_LIMIT_S: Final = 3.0
RECONNECT_FIRST_S: Final = 0.2
RECONNECT_MAX_S: Final = 30.0
TICK_S: Final = 1.0
FAREWELL_LIMIT_S: Final = 1.0


FRAME: Final = "frame"
"""The refusal of a picture that shows too much of the camera's feed."""
Say = Callable[..., None]
"""Tells the people who run this device: the name of an event, and its facts as keywords."""
Describe = Callable[[payloads.State, payloads.Last], payloads.Status]
"""Gives the whole status; called on this thread."""


class Link(threading.Thread):
    """Keeps the outbox flowing until ``stopping`` is set; it sets it itself when it fails."""

    def __init__(  # noqa: PLR0913, PLR0917 -- its needs, each one named
        self,
        connection: Connection,
        tls: ssl.SSLContext,
        outbox: Outbox,
        describe: Describe,
        say: Say,
        stopping: threading.Event,
    ) -> None:
        super().__init__(name="link", daemon=True)
        self._connection, self._tls, self._outbox = connection, tls, outbox
        self._describe, self._say, self._stopping = describe, say, stopping
        self._sender, self._status_due, self._acknowledged = Sender(), False, 0
        self._bell, self._ringer = socket.socketpair()
        for end in (self._bell, self._ringer):
            end.settimeout(0)
        self.failure: BaseException | None = None

    def wake(self, *, status_changed: bool = False) -> None:
        """Say that the outbox has something new, or that the status has. Any thread may."""
        self._status_due = self._status_due or status_changed
        with contextlib.suppress(OSError):  # it is ringing already, or nobody is there any more
            self._ringer.send(b"!")

    def stop(self) -> None:
        """Say goodbye and end; return when it is done, a few seconds at most."""
        self._stopping.set()
        self.wake()
        self.join()

    def run(self) -> None:
        """Connect, converse, wait, again."""
        wait_s = RECONNECT_FIRST_S
        try:
            while not self._stopping.is_set():
                try:
                    self._converse()
                except OSError as error:  # ssl.SSLError is one of these
                    self._say("unreachable", host=self._connection.host, reason=str(error))
                if self._sender.disconnected():
                    wait_s = RECONNECT_FIRST_S
                self._stopping.wait(spread(wait_s, random.random()))
                wait_s = min(wait_s * 2, RECONNECT_MAX_S)
        except Exception as error:  # noqa: BLE001 -- it ends the thread; the main thread raises it
            self.failure = error
            self._stopping.set()
        finally:
            self._bell.close()
            self._ringer.close()

    def _topic(self, direction: Literal["up", "down"], name: str) -> str:
        return f"line/{self._connection.id}/{direction}/{name}"

    def _client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._connection.id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_LIMIT_S
        client.tls_set_context(self._tls)
        client.will_set(self._topic("up", "status"), self._status("offline"), qos=1, retain=True)
        client.on_socket_open = _no_delay
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _converse(self) -> None:
        """Run one connection until it ends or ``stop`` is called."""
        client, self._acknowledged = self._client(), 0
        host, port = self._connection.host, self._connection.mqtt_port
        client.connect(host, port, KEEPALIVE_S, clean_start=True)
        while not self._stopping.is_set():
            wake_at = self._publish(client)
            if not self._turn(client, wake_at - time.monotonic()):
                return
        self._farewell(client)

    def _turn(self, client: mqtt.Client, wait_s: float) -> bool:
        """Wait for the network, the bell or the time; return False when the connection ended."""
        sock = cast("ssl.SSLSocket | None", client.socket())
        if sock is None:
            return False
        wait_s = 0.0 if sock.pending() else min(max(wait_s, 0.0), TICK_S)
        writing = [sock] if client.want_write() else []
        readable, writable, _ = select.select([sock, self._bell], writing, [], wait_s)
        if self._bell in readable:
            self._bell.recv(4096)
        codes = [client.loop_read() if sock in readable or sock.pending() else 0]
        if writable and client.socket() is not None:
            codes.append(client.loop_write())
        return not any([*codes, client.loop_misc()])

    def _publish(self, client: mqtt.Client) -> float:
        """Publish what is due; return when to come back."""
        now, chance = time.monotonic(), random.random()
        if self._status_due:
            self._status_due = False
            self._sender.status_changed(now)
        plan: Plan = self._sender.plan(now, self._outbox.held(), chance)
        if plan.status:
            self._publish_status(client, "online")
        for stream, seq in plan.messages:
            message = self._outbox.read(stream, seq)
            if message is not None:  # else an overflow dropped it a moment ago
                binary = message.draft.content_type == payloads.MESSAGEPACK
                topic, payload = self._topic("up", stream.value), payloads.encode(message)
                client.publish(topic, payload, 1, properties=_MESSAGEPACK if binary else None)
        return plan.wake_at

    def _status(self, state: payloads.State) -> bytes:
        return msgspec.json.encode(self._describe(state, self._outbox.last()))

    def _publish_status(self, client: mqtt.Client, state: payloads.State) -> int:
        return client.publish(self._topic("up", "status"), self._status(state), 1, retain=True).mid

    def _farewell(self, client: mqtt.Client) -> None:
        """Publish the status "offline" ourselves: after a goodbye the broker sends no will."""
        mid, limit = self._publish_status(client, "offline"), time.monotonic() + FAREWELL_LIMIT_S
        while self._acknowledged != mid and time.monotonic() < limit:
            if not self._turn(client, limit - time.monotonic()):
                return
        client.disconnect()

    # paho calls these inside loop_read, on this thread; (_u) is its user data.

    def _on_connect(
        self, client: mqtt.Client, _u: object, _flags: object, code: ReasonCode, _p: object
    ) -> None:
        if code.is_failure:
            self._say("refused-connection", reason=str(code))
            return
        client.subscribe(
            [
                (self._topic("down", name), SubscribeOptions(qos))
                for name, qos in SUBSCRIPTIONS.items()
            ]
        )

    def _on_subscribe(
        self, _c: object, _u: object, _mid: int, codes: list[ReasonCode], _p: object
    ) -> None:
        refused = [name for name, code in zip(SUBSCRIPTIONS, codes, strict=True) if code.is_failure]
        self._say("connected", refused_topics=refused)
        self._sender.connected(time.monotonic())

    def _on_publish(self, _c: object, _u: object, mid: int, code: ReasonCode, _p: object) -> None:
        self._acknowledged = mid
        self._sender.acknowledged(code.value, time.monotonic(), random.random())

    def _on_disconnect(
        self, _c: object, _u: object, _flags: object, code: ReasonCode, _p: object
    ) -> None:
        self._say("disconnected", reason=str(code))

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        if not message.retain:
            self._sender.heard(time.monotonic(), random.random())
        name, payload = message.topic.rpartition("/")[2], bytes(message.payload)
        try:
            match name:
                case "receipt":
                    self._settle(payloads.read_receipt(payload))
                case "access":
                    access = payloads.read_access(payload)
                    self._sender.access(access)
                    self._say("access", state=access.state, window=access.window)
                case _:
                    self._say("not-supported", topic=name)
        except payloads.UnreadableError as error:
            self._say("unreadable", topic=name, reason=str(error))

    def _settle(self, receipt: payloads.Receipt) -> None:
        outbox = self._outbox
        match self._sender.receipt(receipt, time.monotonic(), outbox.held(), outbox.epoch):
            case NewEpoch(reason):
                self._say("new-epoch", epoch=outbox.renumber(), reason=reason)
            case Settled(free, refused):
                again = self._worth_saying_again(refused)
                if again:
                    outbox.put(again)
                outbox.free(free)
                for stream, seq, reason in refused:
                    self._say("refused", stream=stream.value, seq=seq, reason=reason)

    def _worth_saying_again(
        self, refused: tuple[tuple[payloads.Stream, int, str], ...]
    ) -> list[payloads.Draft]:
        """Return the alerts whose picture was refused, without it: new messages, new numbers."""
        messages = [
            self._outbox.read(stream, seq) for stream, seq, reason in refused if reason == FRAME
        ]
        bare = [payloads.without_pictures(one.draft) for one in messages if one is not None]
        return [draft for draft in bare if draft is not None]


def _no_delay(_c: object, _u: object, sock: object) -> None:
    """Send at once: else a message waits up to 40 ms for the acknowledgement before it."""
    cast("socket.socket", sock).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


_MESSAGEPACK: Final = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
_MESSAGEPACK.ContentType = payloads.MESSAGEPACK
