"""The few MQTT 5 packets that a load and a bare reader need, as bytes.

Packets are made before a measurement begins, so that what sends them costs little. For
measuring only: it believes every byte of the broker beside it.
"""

from collections.abc import Iterator
from typing import NamedTuple

PUBLISH, PUBACK, SUBACK, CONNACK = 3, 4, 9, 2
CONTENT_TYPE = 0x03
RECEIVE_MAXIMUM = 0x21
DISCONNECT = b"\xe0\x00"


class Packet(NamedTuple):
    """One packet: its kind, the flags beside the kind, and all behind the length."""

    kind: int
    flags: int
    body: bytes


class Publish(NamedTuple):
    """A PUBLISH; ``number`` is 0 at QoS 0."""

    topic: bytes
    payload: bytes
    number: int


def _varint(value: int) -> bytes:
    made = bytearray()
    while True:
        value, low = divmod(value, 128)
        made.append(low | 128 if value else low)
        if not value:
            return bytes(made)


def _field(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + _varint(len(body)) + body


def connect(
    identifier: str,
    *,
    user: str = "",
    password: str = "",
    keepalive_s: int = 120,
    receive_maximum: int = 100,
) -> bytes:
    """CONNECT with a clean start; ``user`` where no certificate says who it is."""
    flags = 0x02 | (0xC0 if user else 0)
    properties = bytes([RECEIVE_MAXIMUM]) + receive_maximum.to_bytes(2, "big")
    payload = _field(identifier.encode())
    if user:
        payload += _field(user.encode()) + _field(password.encode())
    head = _field(b"MQTT") + bytes([5, flags]) + keepalive_s.to_bytes(2, "big")
    return _packet(0x10, head + _varint(len(properties)) + properties + payload)


def subscribe(topic_filter: str, qos: int) -> bytes:
    """SUBSCRIBE to one filter."""
    return _packet(0x82, b"\0\1\0" + _field(topic_filter.encode()) + bytes([qos]))


def publish(topic: str, payload: bytes, number: int, content_type: str = "") -> bytes:
    """PUBLISH at QoS 1, with packet id ``number``."""
    properties = bytes([CONTENT_TYPE]) + _field(content_type.encode()) if content_type else b""
    head = _field(topic.encode()) + number.to_bytes(2, "big")
    return _packet(0x32, head + _varint(len(properties)) + properties + payload)


def puback(number: int) -> bytes:
    """PUBACK: taken."""
    return b"\x40\x02" + number.to_bytes(2, "big")


def read_publish(packet: Packet) -> Publish:
    """Return what a PUBLISH says; its properties are skipped."""
    body = packet.body
    end = 2 + int.from_bytes(body[:2], "big")
    topic, number, at = body[2:end], 0, end
    if packet.flags & 6:
        number, at = int.from_bytes(body[end : end + 2], "big"), end + 2
    size, at = _length(body, at)
    return Publish(topic, body[at + size :], number)


def _length(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


class Splitter:
    """Bytes in, whole packets out; what is not whole yet waits."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield each packet that ``data`` completes. Take them all, or later ones are lost."""
        data = self._rest + data if self._rest else data
        at, size = 0, len(data)
        while size - at >= 2:
            try:
                length, body = _length(data, at + 1)
            except IndexError:
                break
            if body + length > size:
                break
            yield Packet(data[at] >> 4, data[at] & 15, data[body : body + length])
            at = body + length
        self._rest = data[at:]
