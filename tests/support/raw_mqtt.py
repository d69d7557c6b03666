"""A small MQTT client (5 and 3.1.1, QoS 0 and 1) that shows what a library hides.

Reason codes, the DISCONNECT packet, the moment the connection ends; and it sends anything,
also what is no MQTT. One thread, blocking calls, each with a limit: what has arrived is read
only inside a call, and stays in ``heard`` and ``acks``.
"""

import contextlib
import json
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, DISCONNECT = 1, 2, 3, 4, 8, 9, 14

SUCCESS = 0x00
NO_SUBSCRIBER = 0x10
SUBSCRIPTION_FAILED = 0x80
MALFORMED_PACKET = 0x81
NOT_AUTHORISED = 0x87
SESSION_TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95
ADMINISTRATIVE_ACTION = 0x98

LIMIT_S = 15.0
RETAIN_AS_PUBLISHED = 0x08


class ClosedError(ConnectionError):
    """The connection ended before the answer came."""


@dataclass(frozen=True)
class Publication:
    """What the broker delivered."""

    topic: str
    payload: bytes
    qos: int
    retained: bool

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.payload)
        return found


@dataclass(frozen=True)
class Will:
    """What the broker says for a client that ends without goodbye."""

    topic: str
    payload: bytes
    retain: bool = True


class RawClient:
    """One connection; use as ``with``. ``tls`` None means a plain connection."""

    def __init__(  # noqa: PLR0913 -- what CONNECT can say
        self,
        identifier: str,
        *,
        port: int = 0,
        unix_socket: Path | None = None,
        tls: ssl.SSLContext | None = None,
        version: int = 5,
        will: Will | None = None,
        keepalive_s: int = 60,
        username: str = "",
        password: str = "",
        session_s: int = 0,
    ) -> None:
        self.identifier, self.version = identifier, version
        self._port, self._unix_socket, self._tls = port, unix_socket, tls
        self._will, self._keepalive_s, self._session_s = will, keepalive_s, session_s
        self._username, self._password = username, password
        self._sock: socket.socket | None = None
        self._buffer = bytearray()
        self._packet_id = 0
        self.heard: list[Publication] = []
        self.acks: dict[int, int] = {}
        self.session_present = False
        self.disconnect_code: int | None = None
        self.closed = False
        self.closed_because = ""
        self._answers: list[tuple[int, bytes]] = []

    # The connection.

    def open(self) -> None:
        """Open the socket and, over TLS, shake hands; nothing of MQTT yet."""
        if self._unix_socket is not None:
            self._sock = socket.socket(socket.AF_UNIX)
            self._sock.settimeout(LIMIT_S)
            self._sock.connect(str(self._unix_socket))
            return
        plain = socket.create_connection(("127.0.0.1", self._port), LIMIT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            self._sock = plain
            return
        try:
            self._sock = self._tls.wrap_socket(plain, server_hostname="127.0.0.1")
        except OSError:
            plain.close()
            raise

    def connect(self) -> int:
        """Connect; return the reason code of the CONNACK.

        Raises:
            ClosedError: the other side closed without an answer, as for a wrong certificate.
        """
        try:
            self.open()
        except OSError as error:
            self.closed, self.closed_because = True, str(error)
            raise ClosedError(str(error)) from error
        self.send(self._connect_packet())
        body = self._answer(CONNACK)
        self.session_present = bool(body[0] & 1)
        return body[1]

    def _connect_packet(self) -> bytes:
        flags = 0 if self._session_s else 0x02
        tail = _text(self.identifier)
        if self._will is not None:
            flags |= 0x04 | 0x08 | (0x20 if self._will.retain else 0)  # at QoS 1
            tail += (b"\0" if self.version == 5 else b"") + _text(self._will.topic)
            tail += _text(self._will.payload)
        for bit, value in ((0x80, self._username), (0x40, self._password)):
            if value:
                flags |= bit
                tail += _text(value)
        body = _text("MQTT") + bytes([self.version, flags]) + struct.pack(">H", self._keepalive_s)
        if self.version == 5:
            expiry = struct.pack(">BI", 0x11, self._session_s) if self._session_s else b""
            body += _varint(len(expiry)) + expiry
        return packet(CONNECT << 4, body + tail)

    def close(self) -> None:
        """Say goodbye, so that no will is published."""
        if self._sock is not None and not self.closed:
            with contextlib.suppress(ClosedError):
                self.send(packet(DISCONNECT << 4, b""))
        self.abort()

    def abort(self) -> None:
        """Drop the connection without goodbye, as a power cut does."""
        if self._sock is not None:
            self._sock.close()
        self._sock, self.closed = None, True

    def __enter__(self) -> Self:
        code = self.connect()
        assert code == SUCCESS, f"the broker answered 0x{code:02x}"
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Sending.

    def send(self, raw: bytes) -> None:
        """Send these bytes, whatever they are."""
        if self._sock is None:
            msg = f"not connected; {self.closed_because}"
            raise ClosedError(msg)
        self._sock.settimeout(LIMIT_S)
        try:
            self._sock.sendall(raw)
        except (OSError, ValueError) as error:
            self.closed, self.closed_because = True, str(error)
            raise ClosedError(str(error)) from error

    def post(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, content: str = ""
    ) -> int:
        """Publish without waiting; return the packet id, under which ``acks`` has the code."""
        body = _text(topic)
        if qos:
            self._packet_id = self._packet_id % 65_535 + 1
            self.acks.pop(self._packet_id, None)
            body += struct.pack(">H", self._packet_id)
        if self.version == 5:
            properties = b"\x03" + _text(content) if content else b""
            body += _varint(len(properties)) + properties
        self.send(packet(PUBLISH << 4 | qos << 1 | retain, body + payload))
        return self._packet_id if qos else 0

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, content: str = ""
    ) -> int:
        """Publish at QoS 1; return the reason code of the PUBACK.

        Raises:
            ClosedError: the broker ended the connection instead.
        """
        number = self.post(topic, payload, retain=retain, content=content)
        self._until(lambda: number in self.acks, f"a PUBACK for {topic}")
        return self.acks[number]

    def subscribe(self, topic_filter: str, qos: int = 1) -> int:
        """Subscribe; return the reason code of the SUBACK, 0x80 or more when refused."""
        self._packet_id = self._packet_id % 65_535 + 1
        properties = b"\0" if self.version == 5 else b""
        head = struct.pack(">H", self._packet_id) + properties
        self.send(packet(SUBSCRIBE << 4 | 2, head + _text(topic_filter) + bytes([qos])))
        return self._answer(SUBACK)[-1]

    # Hearing.

    def listen(self, within_s: float = 0.0) -> bool:
        """Read what arrives within the time; return whether one more packet was read."""
        if self._take_packet():
            return True
        if self._sock is None or self.closed:
            return False
        self._sock.settimeout(max(within_s, 0.001))
        try:
            more = self._sock.recv(262_144)
        except TimeoutError:
            return False
        except OSError as error:
            more, self.closed_because = b"", str(error)
        self.closed = not more
        self._buffer += more
        return self._take_packet()

    def until_heard(
        self, see: Callable[[Publication], object], what: str, *, within_s: float = LIMIT_S
    ) -> Publication:
        """Return the first publication, of all heard so far and to come, that ``see`` wants."""
        self._until(lambda: any(map(see, self.heard)), what, within_s=within_s)
        return next(filter(see, self.heard))

    def until_closed(self, within_s: float = LIMIT_S) -> int | None:
        """Wait until the broker ends the connection; return its DISCONNECT code if it gave one."""
        limit = time.monotonic() + within_s
        while not self.closed:
            assert time.monotonic() < limit, "the broker did not end the connection"
            self.listen(limit - time.monotonic())
        return self.disconnect_code

    def _until(self, true: Callable[[], object], what: str, *, within_s: float = LIMIT_S) -> None:
        limit = time.monotonic() + within_s
        while not true():
            left_s = limit - time.monotonic()
            assert left_s > 0, f"{what} did not come in {within_s:g} s; heard: {self.heard[-5:]}"
            if not self.listen(left_s) and self.closed:
                msg = f"{what} did not come: the connection ended {self.closed_because}"
                raise ClosedError(msg)

    def _answer(self, kind: int) -> bytes:
        self._until(lambda: any(one == kind for one, _ in self._answers), f"answer {kind}")
        found = next(one for one in self._answers if one[0] == kind)
        self._answers.remove(found)
        return found[1]

    def _take_packet(self) -> bool:
        if not any(byte < 128 for byte in self._buffer[1:5]):
            return False  # the length is not whole yet
        length, at = _read_varint(self._buffer, 1)
        if len(self._buffer) < at + length:
            return False
        first, body = self._buffer[0], bytes(self._buffer[at : at + length])
        del self._buffer[: at + length]
        self._receive(first, body)
        return True

    def _receive(self, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == PUBLISH:
            self._receive_publish(first, body)
        elif kind == PUBACK:
            self.acks[struct.unpack_from(">H", body)[0]] = body[2] if len(body) > 2 else SUCCESS
        elif kind == DISCONNECT:
            self.disconnect_code = body[0] if body else SUCCESS
        else:
            self._answers.append((kind, body))

    def _receive_publish(self, first: int, body: bytes) -> None:
        at = 2 + int.from_bytes(body[:2], "big")
        topic, qos = body[2:at].decode(), first >> 1 & 3
        if qos:
            number = body[at : at + 2]
            at += 2
            self.send(packet(PUBACK << 4, number))
        if self.version == 5:
            length, at = _read_varint(body, at)
            at += length
        self.heard.append(Publication(topic, body[at:], qos, bool(first & 1)))


def packet(first: int, body: bytes) -> bytes:
    """A whole packet: first byte, length, body."""
    return bytes([first]) + _varint(len(body)) + body


def _text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


def _read_varint(body: bytes | bytearray, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return value, at
