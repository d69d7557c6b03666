"""Durable ingest: what a receipted message costs the gateway, beside programs that do less.

    python -m tests.benchmarks.ingest [--quick] [--rounds N] [--json]

20 devices publish 256-byte results over mutual TLS while the reader stands still
(SIGSTOP), so that all of it waits in the broker. Then the reader goes on and drains it:
the gateway until the last receipt has reached its device, a reference until it has
acknowledged the last message. Readers take turns, round by round.

CPU is that of the whole process from the first to the last message of the drain, all
threads, user and system. The broker's is that of its whole process from the first publish.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks import messages
from tests.benchmarks.backlog import MESSAGES, connect, leave, pile_up
from tests.benchmarks.device import Device, LoadError
from tests.benchmarks.plant import Plant, plant, reader
from tests.benchmarks.procfs import cpu_us, written_bytes
from tests.benchmarks.report import Options, Report, middle, options, show
from tests.support.processes import resident_bytes

WARM_EACH = 25
DRAIN_LIMIT_S = 60.0
SETTLE_S = 0.3
GATEWAY_LIMIT_US = 160.0
GATEWAY_STRETCH_US = 40.0
FLASH_LIMIT = 3.0


@dataclass(frozen=True)
class Drained:
    """One drain, per message."""

    cpu_us: float
    broker_us: float
    rate: float
    written: float
    """Bytes written for each byte of payload."""


async def _drain(
    reader_pid: int, broker_pid: int, devices: Sequence[Device], each: int, done: Awaitable[None]
) -> Drained:
    count = each * len(devices)
    await asyncio.sleep(SETTLE_S)  # what came before is over
    broker_before, before = cpu_us(broker_pid), cpu_us(reader_pid)
    written = written_bytes(reader_pid)
    await pile_up(reader_pid, devices, each)
    began = time.perf_counter()
    async with asyncio.timeout(DRAIN_LIMIT_S):
        await done
    took_s = time.perf_counter() - began
    await asyncio.sleep(SETTLE_S)  # what follows the last receipt belongs to it
    return Drained(
        (cpu_us(reader_pid) - before) / count,
        (cpu_us(broker_pid) - broker_before) / count,
        count / took_s,
        (written_bytes(reader_pid) - written) / (count * messages.DATA_BYTES),
    )


async def _gateway(site: Plant, each: int) -> Drained:
    """Drain the gateway's own broker."""
    await connect(site.devices, site.port)
    try:
        for device in site.devices:
            await device.introduce()
        return await _drain(site.gateway, site.broker, site.devices, each, _receipted(site.devices))
    finally:
        await leave(site.devices)


async def _receipted(devices: Sequence[Device]) -> None:
    for device in devices:
        await device.receipted("data")


async def _reference(kind: str, site: Plant, each: int) -> Drained:
    """Drain the bare broker with the reader ``kind``."""
    async with reader(kind, site.bare, each * len(site.devices)) as program:
        await connect(site.devices, site.bare.port)
        before = [dict(device.sent) for device in site.devices]
        try:
            return await _drain(
                program.pid, site.bare.pid, site.devices, each, program.heard("DONE")
            )
        finally:
            await leave(site.devices)
            for device, sent in zip(site.devices, before, strict=True):
                device.sent = sent  # the gateway never saw these: their numbers are free


async def measure(wanted: Options) -> Report:
    """Measure every reader ``wanted.rounds`` times, in turns."""
    each = int(MESSAGES * wanted.share) // wanted.devices
    async with plant(wanted.devices) as site:
        turns: dict[str, Callable[[], Awaitable[Drained]]] = {
            "gateway, receipted": lambda: _gateway(site, each),
            "aiomqtt's default loop, stores nothing": lambda: _reference("noop", site, each),
            "bare reader, SQLite FULL, no checks": lambda: _reference("durable", site, each),
        }
        await _gateway(site, WARM_EACH)  # what is made once is made before
        found: dict[str, list[Drained]] = {name: [] for name in turns}
        for _ in range(wanted.rounds):
            for name, turn in turns.items():
                found[name].append(await turn())
        resident = sum(resident_bytes(pid) for pid in (site.gateway, site.broker))
        return _report(found, wanted, each, resident)


def _report(found: dict[str, list[Drained]], wanted: Options, each: int, resident: int) -> Report:
    report = Report(
        f"ingest-{wanted.devices}",
        f"durable ingest: a backlog of {each} messages of {messages.DATA_BYTES} bytes from each "
        f"of {wanted.devices} devices over mTLS; median of {wanted.rounds} interleaved rounds",
        ("CPU us/msg", "msg/s", "broker CPU us/msg", "bytes written/byte"),
    )
    for name, drains in found.items():
        report.rows[name] = (
            middle([one.cpu_us for one in drains]),
            middle([one.rate for one in drains]),
            middle([one.broker_us for one in drains]),
            middle([one.written for one in drains]),
        )
    gateway, noop, durable = (report.rows[name] for name in found)
    us, broker_us, written = gateway[0] or 0.0, gateway[2] or 1.0, gateway[3] or 0.0
    report.ratios = {
        "gateway / mosquitto, CPU in the same drain": us / broker_us,
        "gateway / aiomqtt's default loop, CPU": us / (noop[0] or 1.0),
        "gateway / bare reader with SQLite FULL, CPU": us / (durable[0] or 1.0),
    }
    report.reached = {
        "gateway CPU us per receipted message": (us, GATEWAY_LIMIT_US),
        "the same, stretch": (us, GATEWAY_STRETCH_US),
        "bytes written per byte of payload, drain": (written, FLASH_LIMIT),
    }
    report.notes = [
        f"gateway and broker together hold {resident / 2**20:.0f} MB at the end",
    ]
    return report


if __name__ == "__main__":
    wanted, as_json, _ = options(__doc__, sys.argv[1:])
    try:
        show(asyncio.run(measure(wanted)), as_json=as_json)
    except LoadError as error:
        sys.exit(f"ingest: not measured: {error}")
