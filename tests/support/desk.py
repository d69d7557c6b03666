"""The intake's transaction on a real spool file, and devices' payloads to put through it.

Payloads are read by the real parser, so a test says what a device sent and sees what the
gateway would answer and keep.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any, Self

import msgspec

from gateway.app.message import SpoolSide
from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.intake.admitted import Admitted, Arrival
from gateway.intake.deadletters import Bounds, dead_letter_place
from gateway.intake.store import admit
from gateway.intake.wire import Advisory, read
from gateway.model.contract import Contract, ContractInForce, FieldRule
from gateway.model.delivery import Delivery
from gateway.model.message import Receipt
from gateway.model.room import Room, boundless
from gateway.model.time import SiteTime
from gateway.store.sqlite import Engine
from tests.support.spooled import CIPHER

CONTRACT = ContractInForce(
    Contract(
        version=1,
        name="test-line",
        fields={
            "share": FieldRule("number", ("alert", "result"), minimum=0, maximum=1),
            "camera": FieldRule("string", ("result",), max_chars=8),
        },
    ),
    "c" * 64,
)
DEVICE = "cam-01"
Sent = tuple[Arrival, bytes]


def envelope(seq: int, *, epoch: int = 7, base: int = 1, **more: Any) -> dict[str, Any]:
    """An envelope with everything but its items."""
    head = {"v": 1, "epoch": epoch, "seq": seq, "base": base, "boot": "2f1c7f3e", "mono_ms": 5}
    return head | more


def log_item(message: str = "") -> dict[str, Any]:
    """An item that fits every contract."""
    return {"mono_ms": 5, "severity": "info", "template": "started", "message": message}


def alert_item(label: str = "scratch", **more: Any) -> dict[str, Any]:
    """An alert without a picture."""
    plain = {"id": "a-1", "kind": "defect", "severity": "major", "label": label, "score": 0.5}
    return plain | more


def arrival(payload: bytes, channel: str, device: str = DEVICE, *, retained: bool = False) -> Sent:
    """What the parser makes of a JSON payload."""
    delivery = Delivery(f"line/{device}/up/{channel}", payload, retained, "", (1, 1))
    found = read(delivery, CONTRACT)
    assert not isinstance(found, Advisory)
    return found, payload


def data(seq: int, content: str = "", *, device: str = DEVICE, **head: Any) -> Sent:
    """A log message of the data stream; ``content`` tells it from others of its number."""
    whole = envelope(seq, **head) | {"type": "log", "items": [log_item(content)]}
    return arrival(msgspec.json.encode(whole), "data", device)


def alert(seq: int, content: str = "scratch", *, device: str = DEVICE, **head: Any) -> Sent:
    """A message with one alert."""
    whole = envelope(seq, **head) | {"items": [alert_item(content)]}
    return arrival(msgspec.json.encode(whole), "alert", device)


def undeclared(seq: int, *, device: str = DEVICE, **head: Any) -> Sent:
    """A message that the contract refuses."""
    item = log_item() | {"fields": {"operator": "x"}}
    whole = envelope(seq, **head) | {"type": "log", "items": [item]}
    return arrival(msgspec.json.encode(whole), "data", device)


def status(epoch: int, alerts: int = 0, datas: int = 0, *, retained: bool = False, **more: Any):
    """A status that says what the device's last numbers are."""
    whole = {
        "v": 1,
        "state": "online",
        "profile": "virtual-camera",
        "agent": "test",
        "boot": "2f1c7f3e",
        "synced": True,
        "last": {"epoch": epoch, "alert": alerts, "data": datas},
    }
    return arrival(msgspec.json.encode(whole | more), "status", retained=retained)


class Desk:
    """Use as ``async with``. ``now_ms`` is the site's time and moves only by hand."""

    def __init__(
        self,
        path: Path,
        bounds: Bounds | None = None,
        contract: ContractInForce = CONTRACT,
    ) -> None:
        self.path = path
        self.now_ms = 1_000_000
        self.bounds = bounds or Bounds(dead_letters_max=1_000, payload_bytes=64)
        self.room: Callable[[], Room] = boundless
        self._spool = SpoolSide({contract.sha256: contract}, lambda _: self.room(), CIPHER)
        self._stack = AsyncExitStack()
        self.engine = Engine(path, SPOOL_MIGRATIONS)

    async def __aenter__(self) -> Self:
        self.engine = await self._stack.enter_async_context(Engine(self.path, SPOOL_MIGRATIONS))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def restart(self) -> None:
        """Close the file and open it again, as a new process would."""
        await self._stack.aclose()
        await self.__aenter__()

    async def take(self, *sent: Sent) -> Admitted:
        """Commit what devices sent as one batch; a second passes before."""
        self.now_ms += 1_000
        now = SiteTime(self.now_ms)
        return await self.engine.write(admit, sent, now=now, spool=self._spool, bounds=self.bounds)

    async def receipt(self, *sent: Sent) -> Receipt:
        """Commit, and return the one receipt that this makes."""
        ((_, receipt),) = (await self.take(*sent)).receipts
        return receipt

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Ask the file over a connection of its own."""
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(sql, values).fetchall()

    def kept(self, epoch: int = 7, stream: str = "data") -> list[int]:
        """Return the numbers that wait in the queue, as often as they stand there."""
        found = self.rows(
            "SELECT seq FROM message WHERE epoch = ? AND stream = ? ORDER BY seq", epoch, stream
        )
        return [seq for (seq,) in found]

    def dead(self) -> list[tuple[int, str]]:
        """Return (seq, reason) of the dead letters."""
        return self.rows("SELECT seq, reason FROM dead_letter ORDER BY id")

    def letters(self) -> list[tuple[str, bytes]]:
        """Return (reason, payload) of the dead letters, opened."""
        rows = self.rows(
            "SELECT reason, device, epoch, stream, seq, received_ms, key_id, payload "
            "FROM dead_letter ORDER BY id"
        )
        return [(row[0], CIPHER.open(row[6], row[7], dead_letter_place(*row[1:6]))) for row in rows]
