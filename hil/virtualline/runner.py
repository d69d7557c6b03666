"""Runs a virtual line: makes what is missing, starts it, says READY, keeps it, ends it in order.

Nothing outlives it: each child is on a tether that the kernel cuts, so even a runner that
is killed leaves nothing behind. The children are asked to end in the order devices,
gateway, cloud, so that the gateway can still hear the one and serve the other.
"""

import asyncio
import contextlib
import fcntl
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.virtualline import logfile, ports, setup, steps, view
from hil.virtualline.keeper import Keeper, Part
from hil.virtualline.readiness import Waiting, missing
from hil.virtualline.site import Ports, Programs, Site, Wishes, device_ids

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AlreadyRunningError(Exception):
    """Another runner holds the folder; end that one first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for what."""

    step_s: float = 60
    ready_s: float = 60
    stop_s: float = 10
    one_wish_s: float = 1
    look_every_s: float = 0.2
    roll_logs_every_s: float = 30


def run(root: Path, wishes: Wishes, programs: Programs, limits: Limits) -> int:
    """Run the line in ``root`` until it is told to end; return the exit code.

    0: SIGINT, SIGTERM or SIGHUP came. 1: a part could not be made or did not come up.

    Raises:
        AlreadyRunningError: another runner holds ``root``.
        PortTakenError: a kept port is in use.
    """
    site = Site(root.absolute())
    site.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(site):
        line = _Line(site, ports.keep(site), wishes, programs, limits)
        code = asyncio.run(line.run())
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # the process ends now, with this code
        return code


@contextlib.contextmanager
def _alone(site: Site) -> Iterator[None]:
    """Hold the folder for one runner; the lock goes with the process, however it ends."""
    with site.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            msg = f"a virtual line runs in {site.root} already; end it first (Ctrl-C)"
            raise AlreadyRunningError(msg) from fault
        yield


class _Line:
    def __init__(
        self, site: Site, kept: Ports, wishes: Wishes, programs: Programs, limits: Limits
    ) -> None:
        self._site = site
        self._ports = kept
        self._wishes = wishes
        self._programs = programs
        self._limits = limits
        self._began = time.monotonic()
        self._asked = 0.0
        self._stop = asyncio.Event()
        self._cloud = self._keeper("cloud", programs.serve_cloud(site, kept))
        self._gateway = self._keeper("gateway", programs.run_gateway(site))
        self._devices = [
            self._keeper(device, programs.run_device(site, device, wishes.rate, seed))
            for seed, device in enumerate(device_ids(wishes.devices), start=1)
        ]
        self._running: list[Keeper] = []

    def _keeper(self, name: str, command: Sequence[str]) -> Keeper:
        part = Part(name, command, self._site.log(name))
        return Keeper(part, self._say, self._limits.stop_s)

    async def run(self) -> int:
        """Make, keep and end the line; return the exit code."""
        loop = asyncio.get_running_loop()

        def hear(number: int, _frame: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._asked_to_stop, number)

        # Not the loop's own handlers: they go with it, and a wish that comes twice would
        # then kill a runner that has ended everything and only has to leave.
        for number in STOP_SIGNALS:
            signal.signal(number, hear)
        try:
            await self._make()
        except setup.StepFailedError as fault:
            self._say(str(fault))
            return 1
        if self._stop.is_set():
            return 0
        return await self._keep()

    def _asked_to_stop(self, number: int) -> None:
        """Stop in order; at once when a person asks again.

        `make`, `timeout` and a terminal may each pass on what was one wish: only a later
        Ctrl-C is a second one.
        """
        now = time.monotonic()
        if not self._stop.is_set():
            self._asked = now
            self._say("stopping (Ctrl-C once more: at once)")
            self._stop.set()
        elif number == signal.SIGINT and now - self._asked > self._limits.one_wish_s:
            for keeper in self._running:
                keeper.kill()

    async def _make(self) -> None:
        found = setup.found(self._site, self._wishes)
        for sentence in steps.kept_profiles(self._wishes, found):
            self._say(sentence)
        todo = steps.missing(self._programs, self._site, self._ports, self._wishes, found)
        await setup.take(todo, self._site, self._say, self._stop, self._limits.step_s)

    async def _keep(self) -> int:
        self._say(f"starting the cloud stand-in and the gateway; logs in {self._site.log('*')}")
        async with asyncio.TaskGroup() as tasks:
            rolling = tasks.create_task(self._roll_logs(), name="roll logs")
            self._start(tasks, [self._cloud, self._gateway])
            absent = await self._come_up(tasks)
            if absent:
                self._say(f"not up after {self._limits.ready_s:g} s; giving up")
                self._explain(absent)
            else:
                await self._stop.wait()
            for group in (self._devices, [self._gateway], [self._cloud]):
                await self._end([keeper for keeper in group if keeper in self._running])
            rolling.cancel()
        self._say("ended; nothing is left running")
        return 1 if absent else 0

    def _start(self, tasks: asyncio.TaskGroup, keepers: Sequence[Keeper]) -> None:
        for keeper in keepers:
            tasks.create_task(keeper.run(), name=keeper.part.name)
        self._running += keepers

    async def _end(self, keepers: Sequence[Keeper]) -> None:
        for keeper in keepers:
            keeper.stop()
        for keeper in keepers:
            await keeper.stopped()

    async def _come_up(self, tasks: asyncio.TaskGroup) -> list[Waiting]:
        """Say READY once all is up, or return what is still missing at the limit."""
        deadline = time.monotonic() + self._limits.ready_s
        wanted = device_ids(self._wishes.devices)
        told = ""
        begun = False
        async with view.session() as session:
            outside = view.View(session, self._site.cloud, self._ports.web)
            while not self._stop.is_set():
                seen = await outside.look()
                # Devices that find no gateway back off, and would then come late.
                if seen.page and not begun:
                    self._say(f"starting {len(wanted)} devices")
                    self._start(tasks, self._devices)
                    begun = True
                absent = missing(seen, self._wishes.wan, wanted)
                if not absent:
                    print(f"READY {outside.page}", flush=True)
                    return []
                if time.monotonic() > deadline:
                    return absent
                news = "waiting for " + ", ".join(waiting.what for waiting in absent)
                if news != told:
                    self._say(news)
                    told = news
                await self._pause(self._limits.look_every_s)
        return []

    def _explain(self, absent: Sequence[Waiting]) -> None:
        guilty = {waiting.part for waiting in absent}
        for keeper in self._running:
            if keeper.part.name in guilty:
                keeper.show_log()

    async def _roll_logs(self) -> None:
        while not self._stop.is_set():
            await self._pause(self._limits.roll_logs_every_s)
            for keeper in self._running:
                logfile.roll(keeper.part.log)

    async def _pause(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stop.wait()

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:6.1f} s] {text}", flush=True)
