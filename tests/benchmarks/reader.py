"""Readers that the gateway is compared with: programs that do less than it does.

    python -m tests.benchmarks.reader noop|durable SOCKET PASSWORD COUNT FOLDER

``noop``: aiomqtt's own loop over messages, as its documentation shows it. It acknowledges
each message at once and stores nothing.
``durable``: a bare protocol and SQLite with synchronous=FULL; it acknowledges after the
commit. It parses no payload, knows no device and sends no receipt: the least that could be
called durable.

Each says READY when it is subscribed and DONE after COUNT messages, and ends when its
standard input does.
"""

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import aiomqtt

from tests.benchmarks import wire
from tests.benchmarks.report import say

FILTER: Final = "line/+/up/#"
USER: Final = "gateway"
COMMIT_ROWS: Final = 500
LINGER_S: Final = 0.005
WAITING_MAX: Final = 2_000

Row = tuple[str, bytes]


async def noop(socket: str, password: str, count: int) -> None:
    """Take ``count`` messages the way aiomqtt offers it, and do nothing with them."""
    async with aiomqtt.Client(
        hostname=socket,
        port=1,
        transport="unix",
        username=USER,
        password=password,
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        await client.subscribe(FILTER, qos=1)
        say("READY")
        left = count
        async for _ in client.messages:
            left -= 1
            if not left:
                break
        say("DONE")
        await _end_of_input()


class Durable(asyncio.Protocol):
    """Stores what comes, then acknowledges it; does not read while too much waits."""

    def __init__(self, password: str, path: Path, done: Callable[[], None], count: int) -> None:
        self._hello = wire.connect("reader", user=USER, password=password)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE message (topic TEXT NOT NULL, body BLOB NOT NULL)")
        self._writer = ThreadPoolExecutor(1)
        self._done, self._left = done, count
        self._splitter = wire.Splitter()
        self._rows: list[Row] = []
        self._numbers: list[int] = []
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._hello + wire.subscribe(FILTER, 1))

    def connection_lost(self, exc: Exception | None) -> None:
        sys.exit(f"the broker ended the connection: {exc}")

    def data_received(self, data: bytes) -> None:
        for packet in self._splitter.feed(data):
            if packet.kind == wire.PUBLISH:
                said = wire.read_publish(packet)
                self._rows.append((said.topic.decode(), said.payload))
                self._numbers.append(said.number)
            elif packet.kind == wire.SUBACK:
                say("READY")
        if len(self._rows) > WAITING_MAX:
            self._transport.pause_reading()
        if self._rows and not self._busy:
            self._busy = True
            loop = asyncio.get_running_loop()
            loop.call_later(0 if len(self._rows) >= COMMIT_ROWS else LINGER_S, self._commit)

    def _commit(self) -> None:
        rows, self._rows = self._rows, []
        numbers, self._numbers = self._numbers, []
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._writer, self._store, rows)
        job.add_done_callback(lambda stored: self._acknowledge(stored, numbers))

    def _store(self, rows: list[Row]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO message VALUES (?, ?)", rows)
        self._db.execute("COMMIT")

    def _acknowledge(self, stored: asyncio.Future[None], numbers: list[int]) -> None:
        stored.result()
        self._transport.write(b"".join(map(wire.puback, numbers)))
        self._left -= len(numbers)
        if not self._left:
            self._done()
        if self._rows:
            self._commit()
        else:
            self._busy = False
            self._transport.resume_reading()


async def durable(socket: str, password: str, count: int, folder: Path) -> None:
    """Store ``count`` messages in a database of its own below ``folder``."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(
        lambda: Durable(password, folder / "bare.db", done.set, count), socket
    )
    await done.wait()
    say("DONE")
    await _end_of_input()


async def _end_of_input() -> None:
    await asyncio.to_thread(sys.stdin.read)


def main(arguments: list[str]) -> None:
    """Run one reader."""
    kind, socket, password, count, folder = arguments
    if kind == "noop":
        asyncio.run(noop(socket, password, int(count)))
    else:
        asyncio.run(durable(socket, password, int(count), Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
