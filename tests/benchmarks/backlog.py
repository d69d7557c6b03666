"""Many messages that wait in the broker, because their reader stands still."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence

from tests.benchmarks import messages
from tests.benchmarks.device import Device

MESSAGES = 20_000  # the broker's queue holds 25,000
FILL_LIMIT_S = 30.0


async def pile_up(
    reader: int,
    devices: Sequence[Device],
    each: int,
    *,
    then: Callable[[], None] = lambda: None,
) -> None:
    """Let ``each`` data messages of each device wait for the process ``reader``.

    It stands still (SIGSTOP) until the broker has acknowledged them all and ``then`` was
    called. On return it has just gone on.
    """
    packets = {device: [_data(device) for _ in range(each)] for device in devices}
    goals = {device: device.taken + each for device in devices}
    os.kill(reader, signal.SIGSTOP)
    try:
        async with asyncio.timeout(FILL_LIMIT_S):
            for device, made in packets.items():
                device.write(made)
            for device, goal in goals.items():
                await device.accepted(goal)
        then()
    finally:
        os.kill(reader, signal.SIGCONT)


def _data(device: Device) -> bytes:
    epoch, seq, base = device.next("data")
    return device.publish("data", messages.data(epoch, seq, base))


async def connect(devices: Sequence[Device], port: int) -> None:
    """Connect all, and let them hear their receipts."""
    for device in devices:
        await device.connect(port, f"line/{device.id}/down/receipt")


async def leave(devices: Sequence[Device]) -> None:
    """Disconnect all."""
    for device in devices:
        await device.close()
