"""Looks at the certificates once an hour and reports what stands."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

from gateway.identity.limits import WATCH_INTERVAL_S
from gateway.identity.watch import Facts, standing
from gateway.model.problem import Raised
from gateway.model.time import Clock, UnixMs


async def run(
    *,
    clock: Clock,
    facts: Callable[[], Awaitable[Facts]],
    report: Callable[[Raised], None],
    clear: Callable[[str, str], None],
) -> NoReturn:
    """Report the problems that stand and clear those that ended, until cancelled."""
    shown: set[tuple[str, str]] = set()
    while True:
        # Site time: a wall clock that falls back to 1970 must not silence a warning.
        found = standing(await facts(), UnixMs(clock.site()))
        for raised in found:
            report(raised)
        now = {(raised.problem.code, raised.subject) for raised in found}
        for code, subject in shown - now:
            clear(code, subject)
        shown = now
        await clock.sleep(WATCH_INTERVAL_S)
