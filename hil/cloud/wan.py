"""The receiver's end of the WAN: a port that serves, or refuses while it stays ours.

Down means what a gateway sees of a lost receiver: new connections are refused, and
those that stand are aborted in the middle of whatever they carry.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

HOST: Final = "127.0.0.1"
HANDSHAKE_TIMEOUT_S: Final = 10


class Handshake(ssl.SSLObject):
    """Tells a refused client why, as servers in the field do.

    asyncio (3.11 to 3.13) drops the connection before the alert is written, and a gateway could
    not tell an expired certificate from a bad line. So a failed handshake asks for more
    input instead: that writes the alert. The client closes, or the handshake timeout does.
    """

    _refused = False

    def do_handshake(self) -> None:
        """Go on with the handshake; a failed one never ends and never succeeds."""
        if self._refused:
            raise ssl.SSLWantReadError
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as fault:
            self._refused = True
            print(f"{time.strftime('%H:%M:%S')} refused in the TLS handshake: {fault}", flush=True)
            raise ssl.SSLWantReadError from fault


def tls(folder: Path) -> ssl.SSLContext:
    """Return the server side of mutual TLS: no request is read without a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = Handshake
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / "server-cert.pem", folder / "server-key.pem")
    return context


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Keep ``port`` (0: a free one) of ``host`` ours while the WAN is down; yield its number.

    A socket that is bound and never listens: the kernel refuses connections to it, and
    gives the port to nobody who does not share it on purpose.

    Raises:
        OSError: somebody else listens there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
        yield int(place.getsockname()[1])


class Wan:
    """Opens and cuts the way to one aiohttp server, which serves on ``host`` and ``port``."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self.host = host
        self.port = port
        self._context = context
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def up(self) -> bool:
        """Whether connections are accepted."""
        return self._listener is not None

    async def open(self, server: web.Server) -> None:
        """Accept connections for ``server``; nothing happens when they are accepted already."""
        if self._listener is not None:
            return
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((self.host, self.port))
            self._listener = await asyncio.get_running_loop().create_server(
                server, sock=door, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S
            )
            self._server = server
        except BaseException:
            door.close()
            raise

    def cut(self) -> None:
        """Refuse new connections and abort those that stand."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._server is not None:
            for protocol in self._server.connections:
                if protocol.transport is not None:
                    protocol.transport.abort()
