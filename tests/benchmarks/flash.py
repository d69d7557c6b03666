"""Flash wear: bytes written for each byte of payload, at the pace of a site and at a high one.

    python -m tests.benchmarks.flash [--quick] [--json]

20 devices publish over mutual TLS, one message in twenty an alert with a picture of 4 KB,
the others results of 256 bytes: 20 messages a second, as a site of 20 lines does, and 500.
The gateway gathers data for up to 250 ms, so that a commit is worth its pages.

The reference is the bare reader, which stores whatever 5 ms brought: no gathering, but no
marks, indexes and digests either. One round: bytes do not depend on what else runs.
The journal of the file system is in none of the numbers, and checkpoints only as they fall.
"""

import asyncio
import sys
from dataclasses import dataclass

from tests.benchmarks.backlog import connect, leave
from tests.benchmarks.device import LoadError
from tests.benchmarks.load import ALERT, DATA, Load
from tests.benchmarks.plant import Plant, plant, reader
from tests.benchmarks.procfs import written_bytes
from tests.benchmarks.report import Options, Report, options, show

PACES = {20: 40.0, 500: 8.0}
"""Messages a second, and for how long."""
SECONDS_MIN = 1.0
LAST_RECEIPT_LIMIT_S = 10.0
SETTLE_S = 0.5
FLASH_LIMIT = 3.0


@dataclass(frozen=True)
class Wear:
    """What one load made a process write."""

    per_byte: float
    per_message: float
    gb_a_day: float


def _wear(written: int, load: Load, seconds: float) -> Wear:
    return Wear(
        written / load.payload_bytes, written / load.count, written / seconds * 86_400 / 1e9
    )


async def _gateway(site: Plant, rate_hz: int, seconds: float) -> Wear:
    load = Load(site.devices, rate_hz, seconds)
    await connect(site.devices, site.port)
    try:
        for device in site.devices:
            await device.introduce()
        await asyncio.sleep(SETTLE_S)
        before = written_bytes(site.gateway)
        await load.run()
        async with asyncio.timeout(LAST_RECEIPT_LIMIT_S):
            for device in site.devices:
                await device.receipted(ALERT)
                await device.receipted(DATA)
        return _wear(written_bytes(site.gateway) - before, load, seconds)
    finally:
        await leave(site.devices)


async def _reference(site: Plant, rate_hz: int, seconds: float) -> Wear:
    load = Load(site.devices, rate_hz, seconds)
    sent = [dict(device.sent) for device in site.devices]
    async with reader("durable", site.bare, load.count) as program:
        await connect(site.devices, site.bare.port)
        try:
            before = written_bytes(program.pid)
            await load.run()
            await program.heard("DONE")
            return _wear(written_bytes(program.pid) - before, load, seconds)
        finally:
            await leave(site.devices)
            for device, numbers in zip(site.devices, sent, strict=True):
                device.sent = numbers  # the gateway never saw these: they are free


async def measure(wanted: Options) -> Report:
    """Measure both at each pace."""
    report = Report(
        "flash",
        f"flash wear: {wanted.devices} devices over mTLS at a steady pace, one round",
        ("bytes written/byte", "bytes/message", "GB a day"),
    )
    async with plant(wanted.devices) as site:
        for rate_hz, whole_s in PACES.items():
            seconds = max(SECONDS_MIN, whole_s * wanted.share)
            gateway = await _gateway(site, rate_hz, seconds)
            bare = await _reference(site, rate_hz, seconds)
            pace = f"{rate_hz} messages a second"
            for name, wear in (("gateway", gateway), ("bare reader", bare)):
                row = (wear.per_byte, wear.per_message, wear.gb_a_day)
                report.rows[f"{name}, {pace}"] = row
            report.ratios[f"gateway / bare reader, {pace}"] = gateway.per_byte / bare.per_byte
            report.reached[f"bytes written per byte of payload, {pace}"] = (
                gateway.per_byte,
                FLASH_LIMIT,
            )
    return report


if __name__ == "__main__":
    wanted, as_json, _ = options(__doc__, sys.argv[1:])
    try:
        show(asyncio.run(measure(wanted)), as_json=as_json)
    except LoadError as error:
        sys.exit(f"flash: not measured: {error}")
