"""One device of a load: its mTLS connection, what it publishes, which marks it hears.

It sends what it is given as fast as TCP takes it, without regard to the window: the
gateway is to be loaded, not the device. What a real device does is ``hil.linedevice``.
"""

import asyncio
import json
import os
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

from hil.linedevice.payloads import Receipt, read_receipt
from tests.benchmarks import messages, wire
from tests.benchmarks.wire import Packet, Publish

CONNECT_LIMIT_S = 20.0
PACKET_IDS = 65_535


class LoadError(Exception):
    """The measurement is worth nothing: the broker refused, dropped or ended something."""


class Device(asyncio.Protocol):
    """One device; ``heard`` is called with each PUBLISH that reaches it."""

    def __init__(self, folder: Path) -> None:
        said = json.loads((folder / "connection.json").read_text())
        self.id: str = said["id"]
        self._host: str = said["host"]
        self._tls = ssl.create_default_context(cafile=str(folder / said["ca"]))
        self._tls.load_cert_chain(folder / said["certificate"], folder / said["key"])
        self.epoch = 1 + int.from_bytes(os.urandom(6))
        self.sent = {"alert": 0, "data": 0}
        """The highest number given, of each stream."""
        self.marks = {"alert": 0, "data": 0}
        self.taken = 0
        """Messages that the broker has acknowledged."""
        self.heard: Callable[[Publish], None] = lambda _: None
        self._splitter = wire.Splitter()
        self._changed, self._gone = asyncio.Event(), asyncio.Event()
        self._granted = self._answered = False
        self._fault = ""
        self._packet_id = 0

    async def connect(self, port: int, topic_filter: str) -> None:
        """Connect to a broker of the site and subscribe at QoS 0."""
        self._granted, self._fault, self._splitter = False, "", wire.Splitter()
        self._gone.clear()
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(
            lambda: self, self._host, port, ssl=self._tls
        )
        self._transport.write(wire.connect(self.id) + wire.subscribe(topic_filter, 0))
        async with asyncio.timeout(CONNECT_LIMIT_S):
            await self.until(lambda: self._granted)

    async def introduce(self) -> None:
        """Publish the status and wait for the receipt that answers it."""
        self._answered = False
        said = messages.status(self.epoch, self.sent["alert"], self.sent["data"])
        self.write([self.publish("status", said)])
        async with asyncio.timeout(CONNECT_LIMIT_S):
            await self.until(lambda: self._answered)

    def publish(self, channel: str, payload: bytes, content_type: str = "") -> bytes:
        """Return the packet that publishes ``payload``."""
        self._packet_id = self._packet_id % PACKET_IDS + 1
        topic = f"line/{self.id}/up/{channel}"
        return wire.publish(topic, payload, self._packet_id, content_type)

    def next(self, stream: str) -> tuple[int, int, int]:
        """Take the next number of ``stream``; return epoch, seq and base."""
        self.sent[stream] += 1
        return self.epoch, self.sent[stream], self.marks[stream] + 1

    def write(self, packets: Iterable[bytes]) -> None:
        """Hand packets to the kernel, or to the buffer before it."""
        self._transport.write(b"".join(packets))

    async def accepted(self, count: int) -> None:
        """Return when the broker has taken ``count`` messages, since the program began."""
        await self.until(lambda: self.taken >= count)

    async def receipted(self, stream: str) -> None:
        """Return when the gateway has receipted all of ``stream``."""
        await self.until(lambda: self.marks[stream] >= self.sent[stream])

    async def until(self, seen: Callable[[], bool]) -> None:
        """Return when ``seen`` is true, looking after each arrival.

        Raises:
            LoadError: the broker refused or ended something.
        """
        while not seen():
            if self._fault:
                raise LoadError(self._fault)
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Leave."""
        self._transport.write(wire.DISCONNECT)
        self._transport.close()
        await self._gone.wait()

    # What asyncio calls.

    def data_received(self, data: bytes) -> None:
        for packet in self._splitter.feed(data):
            self._take(packet)
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fault = self._fault or f"{self.id}: the broker ended the connection ({exc})"
        self._changed.set()
        self._gone.set()

    def _take(self, packet: Packet) -> None:
        match packet:
            case Packet(kind=wire.PUBLISH):
                said = wire.read_publish(packet)
                if said.topic.endswith(b"/down/receipt"):
                    self._receipted(read_receipt(said.payload))
                self.heard(said)
            case Packet(kind=wire.PUBACK, body=body):
                self.taken += 1
                if len(body) > 2 and body[2]:
                    self._fault = f"{self.id}: a message got PUBACK {body[2]:#x}"
            case Packet(kind=wire.CONNACK, body=body) if body[1]:
                self._fault = f"{self.id}: CONNACK {body[1]:#x}"
            case Packet(kind=wire.SUBACK, body=body):
                self._granted = body[-1] < 128
                self._fault = "" if self._granted else f"{self.id}: SUBACK {body[-1]:#x}"
            case _:
                pass

    def _receipted(self, receipt: Receipt) -> None:
        if receipt.refused:
            self._fault = f"{self.id}: the gateway refused {receipt.refused[0]}"
        if receipt.epoch == self.epoch:
            self._answered = True
            self.marks = {"alert": receipt.alert, "data": receipt.data}
