"""Ninety days without a cloud, on a virtual clock: bounded disk and memory, then a clean drain.

The case study has 20 lines a site, each with 2 GB of camera data a day. None of that is sent:
a line inspects 28,800 parts a day (a result each), finds 200 defects (an alert each, with a
picture), and says 1,440 metrics, 480 logs and 20 errors: 620,000 messages a site and day,
55 million in 90 days. Here both the rate and the budgets of ``[spool]`` are a 200th of that.
Devices hold 2,000 messages, resend what has no receipt, and give up their oldest data.
"""

import base64
import os
import struct
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from gateway.app.space import Space, kept
from gateway.app.voices import Voices
from gateway.intake.admitted import Arrival
from gateway.intake.wire import Advisory, read
from gateway.model.contract import Contract, ContractInForce, ResultRule
from gateway.model.delivery import Delivery
from gateway.model.outcome import MessageClass
from gateway.spool import trace
from gateway.spool.budget import Level
from gateway.spool.disk import Store
from gateway.spool.limits import GIB, MIB, SpoolLimits
from tests.app.test_queue import ANY, RESULT_ITEM, Plant
from tests.support.desk import alert_item, envelope, log_item

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]

SCALE: Final = 200
LINES: Final = 20
DAYS: Final = 90
DEVICES: Final = 4
OUTBOX_MAX: Final = 2_000
A_BATCH: Final = 400
A_LINE_AND_DAY: Final = {"result": 28_800, "alert": 200, "metric": 1_440, "log": 480, "error": 20}
LIMITS: Final = SpoolLimits(
    bytes_max=4 * GIB // SCALE,
    alert_reserve_bytes=512 * MIB // SCALE,
    alert_bytes_max=2 * GIB // SCALE,
    error_log_bytes_max=GIB // SCALE,
    result_bytes_max=3 * GIB // SCALE,
    metric_bytes_max=GIB // SCALE,
    log_bytes_max=GIB // SCALE,
    state_reserve_bytes=MIB,
    trace_rows_max=10_000_000,
    alerts_shown_max=100_000,
)
WAL_MAX: Final = 16 * MIB
RSS_GROWTH_MAX: Final = 24 * MIB
AS_SHIPPED = ContractInForce(
    Contract(version=1, name="as-shipped", result=ResultRule(rows_leave=True)), "d" * 64
)
"""Results 24 h, metrics 7 days, logs 30 days, alerts until they are delivered."""
KEPT_LONG = ContractInForce(
    Contract(version=1, name="kept-long", result=ResultRule(kept_h=24 * 120, rows_leave=True)),
    "e" * 64,
)
"""Results are kept for longer than the outage: the budget has to end them."""


def png(size: int = 62) -> str:
    """A picture of noise, about 4 KB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    rows = b"".join(b"\0" + os.urandom(size) for _ in range(size))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + body).decode()


ITEMS: Final[dict[str, dict[str, Any]]] = {
    "result": RESULT_ITEM,
    "alert": alert_item(image={"type": "image/png", "data": png()}),
    "metric": {"mono_ms": 5, "name": "power", "value": 4.5},
    "log": log_item("the belt runs"),
    "error": log_item("the belt stands") | {"severity": "error", "template": "jammed"},
}


@dataclass(slots=True)
class Device:
    """An outbox and its two counters. What it gave up it declares by its base."""

    name: str
    numbers: Counter[str] = field(default_factory=Counter[str])
    outbox: dict[str, deque[tuple[int, str]]] = field(
        default_factory=lambda: {"alert": deque(), "data": deque()}
    )
    given_up: set[int] = field(default_factory=set[int])
    """Numbers of the data stream. The gateway may have some, ahead of its mark."""
    paused: bool = False

    def put(self, kind: str) -> None:
        stream = "alert" if kind == "alert" else "data"
        self.numbers[stream] += 1
        held = self.outbox[stream]
        held.append((self.numbers[stream], kind))
        if stream == "data" and len(held) > OUTBOX_MAX:
            self.given_up.add(held.popleft()[0])

    def sends(self, contract: ContractInForce) -> Iterator[tuple[Arrival, bytes]]:
        for stream, held in self.outbox.items():
            if stream == "data" and self.paused:
                continue
            for seq, kind in list(held)[: A_BATCH // DEVICES]:
                head = {} if stream == "alert" else {"type": "log" if kind == "error" else kind}
                whole = envelope(seq, base=held[0][0]) | head | {"items": [ITEMS[kind]]}
                payload = msgspec.json.encode(whole)
                delivery = Delivery(f"line/{self.name}/up/{stream}", payload, False, "", (1, 1))  # noqa: FBT003
                found = read(delivery, contract)
                assert not isinstance(found, Advisory)
                yield found, payload

    def hears(self, alert: int, data: int, *, paused: bool) -> None:
        self.paused = paused
        for stream, mark in (("alert", alert), ("data", data)):
            held = self.outbox[stream]
            while held and held[0][0] <= mark:
                held.popleft()


class Outage:
    """A queue, its devices and its housekeeping, hour by hour."""

    def __init__(self, plant: Plant, contract: ContractInForce) -> None:
        self.plant = plant
        self.contract = contract
        self.devices = [Device(f"cam-{number:02d}") for number in range(DEVICES)]
        self.sent: Counter[str] = Counter()
        self.owed = dict.fromkeys(A_LINE_AND_DAY, 0.0)
        self.largest = self.largest_wal = 0
        voices = Voices(plant.clock)
        place = Store(plant.path, LIMITS.state_reserve_bytes)
        self.space: Space = kept(LIMITS, place, plant.engine, voices, lambda: plant.queue.under_way)
        plant.queue.space = self.space
        plant.queue.config = msgspec.structs.replace(plant.queue.config, spool=LIMITS)
        self.problems = voices.register.problems

    async def hour(self) -> None:
        await self.plant.clock.step(3_600)
        for kind, a_day in A_LINE_AND_DAY.items():
            self.owed[kind] += a_day * LINES / SCALE / 24
            while self.owed[kind] >= 1:
                self.owed[kind] -= 1
                self.sent[kind] += 1
                self.devices[self.sent.total() % DEVICES].put(kind)
        await self.exchange()
        while await self.plant.queue.sweep():
            pass
        await self.look()

    async def exchange(self) -> None:
        """Send until everything has a receipt, or the gateway takes no more."""
        stored = -1
        while stored:
            batch = [one for device in self.devices for one in device.sends(self.contract)]
            if not batch:
                return
            result = await self.plant.queue.admit(batch)
            stored = result.stored
            assert not result.conflicts
            assert not result.refused
            receipts = dict(result.receipts)
            for device in self.devices:
                if (one := receipts.get(device.name)) is not None:  # type: ignore[call-overload]
                    device.hears(one.alert, one.data, paused="data" in (one.pause or ()))
            await self.space._make()

    async def look(self) -> None:
        await self.space._make()
        for device in self.devices:
            device.paused = False  # a status is answered with what holds now
        self.largest = max(self.largest, self.plant.path.stat().st_size)
        wal = self.plant.path.with_name("spool.db-wal").stat().st_size
        self.largest_wal = max(self.largest_wal, wal)

    async def drain(self) -> None:
        """The cloud is back: seal and deliver until nothing is left."""
        while True:
            await self.plant.clock.step(1)
            due = await self.plant.queue.seal(ANY)
            batch = await self.plant.queue.next(ANY)
            if batch is not None:
                await self.plant.queue.delivered(batch.sha256)
            elif due is None:
                return
            else:
                await self.plant.clock.step(due)


def rss_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("contract", [AS_SHIPPED, KEPT_LONG], ids=["as-shipped", "kept-long"])
async def test_ninety_days_offline_are_bounded_and_drain_cleanly(
    tmp_path: Path, contract: ContractInForce
):
    async with Plant(tmp_path / "spool.db") as plant:
        plant.contracts = [contract]
        await plant.restart()
        outage = Outage(plant, contract)
        early = 0
        for day in range(DAYS):
            for _ in range(24):
                await outage.hour()
            if day == 9:
                early = rss_bytes()

        assert outage.largest <= LIMITS.bytes_max
        assert outage.largest_wal <= WAL_MAX
        assert rss_bytes() - early <= RSS_GROWTH_MAX
        waiting = {
            name: depth.rows for name, depth in (await trace.depths(outage.plant.reader)).items()
        }
        assert waiting[MessageClass.ALERT] == outage.sent["alert"] == 90 * 20
        assert all(not device.outbox["alert"] for device in outage.devices)

        await outage.exchange()
        await outage.drain()
        await outage.look()
        assert outage.space.found is not None
        assert outage.space.found.level is Level.OK
        await outage.exchange()  # what the devices still held
        await outage.drain()

        found: Counter[tuple[str, str, int]] = Counter()
        outcomes: Counter[tuple[str, str]] = Counter()
        async with plant.engine.reader() as db:
            async for line in trace.trace(db):
                found[line.device, line.stream, line.seq] += 1
                outcomes[line.message_class, line.outcome] += 1
        assert max(found.values()) == 1  # exactly one outcome each
        for device in outage.devices:
            numbered = set(range(1, device.numbers["data"] + 1))
            has = {seq for name, stream, seq in found if (name, stream) == (device.name, "data")}
            assert has <= numbered
            assert numbered - has <= device.given_up  # none vanished
        assert outcomes["alert", "delivered"] == outage.sent["alert"]
        for name in (MessageClass.ERROR_LOG, MessageClass.RESULT, MessageClass.LOG):
            assert outcomes[name.value, "delivered"] >= waiting[name]
            # Where the budget has to end results, the logs have all paid before.
            assert waiting[name] > 0 or (contract, name) == (KEPT_LONG, MessageClass.LOG)
        assert not outcomes["alert", "shed"]
        shed = sum(count for (_, outcome), count in outcomes.items() if outcome == "shed")
        assert (shed > 0) == (contract is KEPT_LONG)
