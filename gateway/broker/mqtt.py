"""The link to the broker: aiomqtt with manual acknowledgement and a bounded inbox.

aiomqtt acknowledges a message when it is *queued in memory*, which loses it at a crash
(measured: 12,607 of 50,000). paho can leave the acknowledgement to us, but aiomqtt 2.5
does not offer that, so this adapter reaches into ``_client``; the version is pinned, and
the conformance suite holds the behaviour. Exit: aiomqtt 3 acknowledges explicitly.
For the same price it takes messages from paho directly, and many packets at one wake of
the loop: a backlog drains for about a sixth less CPU (``BENCHMARKS.md``).

Withheld acknowledgements are no back-pressure on mosquitto 2.0 (its Receive Maximum
grows with each acknowledgement), so above a high-water mark the socket is not read.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, Self, cast

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.model.delivery import Delivery
from gateway.model.errors import OperatorFaultError

INBOX_MESSAGES_MAX: Final = 2_000
INBOX_MESSAGES_RESUME: Final = 500
PACKETS_A_READ_MAX: Final = 50
RECEIVE_MAXIMUM: Final = 100
KEEPALIVE_S: Final = 15
ANSWER_LIMIT_S: Final = 5.0


class LinkLostError(OperatorFaultError):
    """The connection to the broker ended. Nothing unacknowledged is lost: it comes again."""


class BrokerSilentError(OperatorFaultError):
    """The broker holds the connection and does not answer on it: it hangs."""


@asynccontextmanager
async def _answered(what: str) -> AsyncGenerator[None]:
    """Bound the block by ``ANSWER_LIMIT_S``, and turn aiomqtt's errors into ours."""
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            yield
    except TimeoutError as error:
        msg = f"the broker did not answer in {ANSWER_LIMIT_S:g} s: {what}"
        raise BrokerSilentError(msg) from error
    except (aiomqtt.MqttError, OSError) as error:
        msg = f"{what}: {error}"
        raise LinkLostError(msg) from error


def _properties(packet: int) -> Any:  # noqa: ANN401 -- paho's class sets attributes by name
    make = cast("Callable[[int], Any]", Properties)
    return make(packet)


class Gate(Protocol):
    """Asked for each message as it comes, and told when it is taken; it must be quick."""

    def enter(self, topic: str, size_bytes: int, qos: int) -> bool:
        """Say whether a message may come in."""
        ...

    def leave(self, topic: str) -> None:
        """Hear that a message which came in was taken."""
        ...


class _Open:
    """A gate that lets everything in."""

    def enter(self, topic: str, size_bytes: int, qos: int) -> bool:  # noqa: ARG002 -- see Gate
        return True

    def leave(self, topic: str) -> None: ...


class _Acknowledgements:
    """Tells the broker in the order in which the messages came (MQTT 5, 4.6)."""

    def __init__(self, tell: Callable[[int, int], object]) -> None:
        self._tell = tell
        self._order: deque[tuple[int, int]] = deque()
        self._done: set[tuple[int, int]] = set()

    def expect(self, token: tuple[int, int]) -> None:
        """Note a message that will be acknowledged."""
        self._order.append(token)

    def give(self, tokens: Iterable[tuple[int, int]]) -> None:
        """Acknowledge messages, as soon as all before them are."""
        self._done.update(tokens)
        while self._order and self._order[0] in self._done:
            token = self._order.popleft()
            self._done.discard(token)
            self._tell(*token)


class _Inbox:
    """What was read from the socket and not taken yet."""

    def __init__(self, gate: Gate, acknowledgements: _Acknowledgements) -> None:
        self.held: deque[Delivery] = deque()
        self.arrived = asyncio.Event()
        self.seen = 0
        self.on_full: Callable[[], None] = lambda: None
        self._gate = gate
        self._acknowledgements = acknowledgements

    def put(self, _client: object, _userdata: object, message: MQTTMessage) -> None:
        """Take a message over, or turn it away; the signature is that of paho's callback."""
        self.seen += 1
        if message.qos:
            self._acknowledgements.expect((message.mid, message.qos))
        if not self._gate.enter(message.topic, len(message.payload), message.qos):
            if message.qos:
                # The broker shall not hold it for us: its device sends it again, or lost it.
                self._acknowledgements.give([(message.mid, message.qos)])
            return
        self.held.append(
            Delivery(
                topic=message.topic,
                payload=bytes(message.payload),
                retained=message.retain,
                content_type=str(getattr(message.properties, "ContentType", "")),
                token=(message.mid, message.qos),
            )
        )
        self.arrived.set()
        if len(self.held) >= INBOX_MESSAGES_MAX:
            self.on_full()


class Link:
    """One MQTT 5 connection over the broker's unix socket. Use as ``async with``.

    With ``session_s`` the broker keeps the session, and what it queued, for so long.
    A token is valid on the connection that delivered it only: packet ids are reused.
    """

    def __init__(  # noqa: PLR0913 -- what a connection is made of
        self,
        socket_path: str,
        *,
        identifier: str,
        username: str,
        password: str,
        session_s: int = 0,
        gate: Gate | None = None,
    ) -> None:
        properties = _properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.SessionExpiryInterval = session_s
        self._client = aiomqtt.Client(
            hostname=socket_path,
            port=1,  # unused with a unix socket, but paho wants it above zero
            transport="unix",
            identifier=identifier,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=session_s == 0,
            properties=properties,
            username=username,
            password=password,
            keepalive=KEEPALIVE_S,
            timeout=2 * ANSWER_LIMIT_S,  # ours comes first, and says what it means
        )
        self._paho = self._client._client  # pyright: ignore[reportPrivateUsage]
        self._paho.manual_ack_set(on=True)
        self._gate: Gate = gate or _Open()
        self._acknowledgements = _Acknowledgements(self._paho.ack)
        self._inbox = _Inbox(self._gate, self._acknowledgements)
        self._inbox.on_full = self._pause
        self._paho.on_message = self._inbox.put
        self._lost: asyncio.Future[None] = self._client._disconnected  # pyright: ignore[reportPrivateUsage]
        self._paused_at: int | None = None

    async def __aenter__(self) -> Self:
        try:
            async with _answered("the broker does not accept the gateway"):
                await self._client.__aenter__()
        except OperatorFaultError:
            # Not at once: what aiomqtt has asked the loop to do with the socket comes first.
            asyncio.get_running_loop().call_soon(self._give_up)
            raise
        self._lost.add_done_callback(lambda _: self._inbox.arrived.set())
        if self._paused_at is None and (sock := self._paho.socket()) is not None:
            asyncio.get_running_loop().add_reader(sock.fileno(), self._read)  # for aiomqtt's
        # aiomqtt asks the loop for the next turn, when a broker that dies may have taken the
        # socket away. Here all is on the loop's own thread, so it can be done at once.
        self._paho.on_socket_register_write = self._want_to_write
        return self

    def _give_up(self) -> None:
        """Clean up after an attempt that failed, which aiomqtt does not.

        Its socket would stay open: a broker that hangs for a day would use up the process's
        file descriptors. And what went wrong was told already.
        """
        self._paho._sock_close()  # pyright: ignore[reportPrivateUsage]
        connected = self._client._connected  # pyright: ignore[reportPrivateUsage]
        for told in (self._lost, connected):
            if told.done() and not told.cancelled():
                told.exception()

    async def __aexit__(self, *_: object) -> None:
        self._resume()
        while self._inbox.held:  # not taken: it comes again, and is counted again then
            self._gate.leave(self._inbox.held.popleft().topic)
        try:
            await self._client.__aexit__(None, None, None)
        except aiomqtt.MqttError:
            if not self._lost.done():
                self._paho.disconnect()
        if self._lost.done() and not self._lost.cancelled():
            self._lost.exception()  # it was told through take() or publish(): not an unseen error

    def _check(self) -> None:
        if self._lost.done():
            msg = "the connection to the broker ended"
            raise LinkLostError(msg) from self._lost.exception()

    async def subscribe(self, topic_filter: str, qos: int, *, live: bool = False) -> None:
        """Subscribe; return when the broker granted it.

        With ``live`` only what others publish from now on comes, and ``retained`` tells
        whether the publisher asked to retain it. Without, what the broker had retained
        comes first, and ``retained`` tells that: MQTT shows it of old messages only.

        Raises:
            LinkLostError: refused or disconnected.
            BrokerSilentError: no answer in time.
        """
        async with _answered(f"the broker did not take the subscription to {topic_filter}"):
            options = SubscribeOptions(
                qos,
                noLocal=live,
                retainAsPublished=live,
                retainHandling=(
                    SubscribeOptions.RETAIN_DO_NOT_SEND
                    if live
                    else SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
                ),
            )
            codes = await self._client.subscribe(topic_filter, options=options)
        if any(cast("Any", code).value >= 128 for code in codes):  # noqa: PLR2004 -- MQTT 5, 3.9.3
            msg = f"the broker refused the subscription to {topic_filter}"
            raise LinkLostError(msg)

    async def take(self, most: int, within_s: float | None) -> Sequence[Delivery]:
        """Return up to ``most`` deliveries; wait for the first, at most ``within_s`` seconds.

        Empty only when the time passed.

        Raises:
            LinkLostError: disconnected; what was not acknowledged is sent again by its device.
        """
        self._check()
        inbox = self._inbox
        if not inbox.held:
            inbox.arrived.clear()
            try:
                async with asyncio.timeout(within_s):
                    await inbox.arrived.wait()
            except TimeoutError:
                return []
            self._check()
        taken = [inbox.held.popleft() for _ in range(min(most, len(inbox.held)))]
        for delivery in taken:
            self._gate.leave(delivery.topic)
        if len(inbox.held) <= INBOX_MESSAGES_RESUME:
            self._resume()
        return taken

    def acknowledge(self, tokens: Sequence[tuple[int, int]]) -> None:
        """Tell the broker that these are ours now. Call it only after the commit."""
        self._check()
        self._acknowledgements.give(token for token in tokens if token[1])

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 0, for what is repeated anyway (receipts)."""
        self._check()
        self._paho.publish(topic, payload, 0, retain)

    def post(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1 and wait for nothing: an end of the connection may lose it."""
        self._check()
        self._paho.publish(topic, payload, 1)

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        """Publish at QoS 1; return when the broker took it.

        Raises:
            LinkLostError: disconnected.
            BrokerSilentError: no answer in time.
        """
        properties = None
        if expiry_s is not None:
            properties = _properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = expiry_s
        async with _answered(f"the broker did not take {topic}"):
            await self._client.publish(topic, payload, 1, retain, properties)

    def _pause(self) -> None:
        if self._paused_at is None and (sock := self._paho.socket()) is not None:
            self._paused_at = sock.fileno()
            asyncio.get_running_loop().remove_reader(self._paused_at)

    def _resume(self) -> None:
        at, self._paused_at = self._paused_at, None
        sock = self._paho.socket()
        if at is not None and sock is not None and sock.fileno() == at:
            asyncio.get_running_loop().add_reader(at, self._read)

    def _want_to_write(self, _client: object, _userdata: object, sock: Any) -> None:  # noqa: ANN401 -- one of paho's sockets
        asyncio.get_running_loop().add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        self._paho.loop_write()  # its errors end the connection, as those of a read do

    def _read(self) -> None:
        """Take what the socket holds, but let others have their turn."""
        for _ in range(PACKETS_A_READ_MAX):
            before = self._inbox.seen
            code = self._paho.loop_read()
            if code != MQTT_ERR_SUCCESS:
                if not self._lost.done():
                    self._lost.set_exception(aiomqtt.MqttCodeError(code))
                return
            if self._inbox.seen == before or self._paused_at is not None:
                return
