"""Keeps one program running until it is told to stop."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.virtualline import child, logfile
from hil.virtualline.child import Child
from hil.virtualline.restart import End, after, sentence

SHOWN_LINES: Final = 10
SHOWN_FIRST_FAILURE: Final = 2
"""A first end at once may be chance: the log's end is shown at the second ..."""
SHOWN_EVERY_FAILURES: Final = 5
"""... and after that at each fifth."""


@dataclass(frozen=True, slots=True)
class Part:
    """A program of the line."""

    name: str
    command: Sequence[str]
    log: Path


class Keeper:
    """Starts ``part`` again whenever it ends, as ``restart`` decides, and says so."""

    def __init__(self, part: Part, say: Callable[[str], None], stop_limit_s: float) -> None:
        self.part = part
        self._say = say
        self._stop_limit_s = stop_limit_s
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()
        self._child: Child | None = None

    async def run(self) -> None:
        """Keep it running; return after ``stop``, when nothing of it is left."""
        failures = 0
        try:
            while not self._stop.is_set():
                end = await self._live()
                if self._stop.is_set():
                    break
                restart = after(end, failures)
                failures = restart.failures
                self._say(
                    f"{self.part.name} {sentence(end)}; starting it again in {restart.wait_s:.1f} s"
                )
                if failures % SHOWN_EVERY_FAILURES == SHOWN_FIRST_FAILURE:
                    self.show_log()
                await self._pause(restart.wait_s)
        finally:
            self._stopped.set()

    def stop(self) -> None:
        """Ask it to end; ``stopped`` tells when it has."""
        self._stop.set()

    def kill(self) -> None:
        """End it at once, with all that it started."""
        self._stop.set()
        if self._child is not None:
            self._child.kill()

    async def stopped(self) -> None:
        """Return when nothing of it is left."""
        await self._stopped.wait()

    def show_log(self) -> None:
        """Say the last lines of its log."""
        lines = logfile.tail(self.part.log, SHOWN_LINES)
        self._say(f"the last lines of {self.part.log}:" if lines else f"{self.part.log} is empty")
        for line in lines:
            self._say(f"  | {line}")

    async def _live(self) -> End:
        """Return how one life of the program ended."""
        began = time.monotonic()
        self._child = await child.start(self.part.command, self.part.log)
        ended = await self._child.wait_or_stop(self._stop, self._stop_limit_s)
        if not ended.obeyed:
            self._say(f"{self.part.name} did not end in {self._stop_limit_s:g} s and was killed")
        return End(ended.code, time.monotonic() - began)

    async def _pause(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stop.wait()
