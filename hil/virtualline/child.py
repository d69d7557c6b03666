"""One program as a child process: in its own group, on a tether, its output in a log."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import hil
from hil.virtualline import logfile, tether

ROOT: Final = Path(hil.__file__).parent.parent
"""Where ``python -m hil...`` works."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An exit code, negative for a signal; ``obeyed`` is False when it had to be killed."""

    code: int
    obeyed: bool


class Child:
    """A started program. It is in a group of its own: a terminal's Ctrl-C does not reach it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The program's own process id: the tether became it."""
        return self._process.pid

    async def wait(self) -> int:
        """Return the exit code when it has ended, negative for a signal."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Ask it to end; nothing happens when it has."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it with all that it started; nothing happens when it has ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self, within_s: float) -> bool:
        """Ask it to end and kill it after ``within_s``; tell whether it ended by itself."""
        self.terminate()
        try:
            async with asyncio.timeout(within_s):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()
            return False
        return True

    async def wait_or_stop(self, stop: asyncio.Event, within_s: float) -> Ended:
        """Return how it ended; once ``stop`` is set it is asked to end ``within_s``.

        Cancelled, it kills the program.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                ending = tasks.create_task(self._end_after(stop, within_s), name="end on stop")
                code = await self.wait()
                # It may be between the kill and its own end: then it has the last word.
                if not stop.is_set():
                    ending.cancel()
        finally:
            self.kill()
        return Ended(code, obeyed=ending.cancelled() or ending.result())

    async def _end_after(self, stop: asyncio.Event, within_s: float) -> bool:
        await stop.wait()
        return await self.end(within_s)


async def start(command: Sequence[str], log: Path) -> Child:
    """Start ``command`` with its output appended to ``log``.

    Raises:
        OSError: the log cannot be written.
    """
    with logfile.opened(log) as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid())),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    return Child(process)
