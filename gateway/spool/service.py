"""Enforce retention at a steady beat."""

from typing import NoReturn, Protocol

from gateway.model.time import Clock
from gateway.spool.limits import EXPIRED_A_SWEEP_MAX


class Sweep(Protocol):
    """Ends what is due in one committed transaction; returns how many messages it ended."""

    async def __call__(self) -> int: ...


async def run(sweep: Sweep, *, clock: Clock, every_s: float) -> NoReturn:
    """Sweep until cancelled; go on at once while a sweep found as much as one may take."""
    while True:
        if await sweep() < EXPIRED_A_SWEEP_MAX:
            await clock.sleep(every_s)
