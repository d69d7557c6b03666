"""The room of the queue, kept: watched beside each commit, made when there is none.

A write that finds the disk full gives up the reserve at once (``spool/disk.py``); what
sheds, and what ``state.db`` still has to write, gets through with that. When space returns
the reserve is laid again, and everything goes on without a restart.
"""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn, Protocol, TypeVar

from gateway.app.bell import Bell
from gateway.app.refusal import FULL_BYTES, PRIMARY_CODE, judge
from gateway.app.voices import Voices
from gateway.model.allowance import Allowance
from gateway.model.errors import OperatorFaultError
from gateway.model.outcome import MessageClass
from gateway.model.problem import Raised
from gateway.model.room import Room, boundless
from gateway.spool import making
from gateway.spool.budget import Assessment, Bound, Level, assess
from gateway.spool.disk import SPARE_BYTES, Store
from gateway.spool.limits import SpoolLimits
from gateway.spool.problems import ALERTS_HELD_BACK, DATA_HELD_BACK, DISK_FULL
from gateway.store.sqlite import Engine, give_back

R = TypeVar("R")

LOG = logging.getLogger(__name__)

QUEUE = "queue"
RESERVE = "reserve"
FILE = "spool.db"
PAGES_A_STEP = 1_024
"""Given back to the disk in one transaction: each may have to be moved through the WAL."""
OVERSHOOT = 2
"""A look sheds at most so many times what was missing when it began: what SQLite frees is seen
late where a reader holds the WAL, and shedding on would give up more than is needed."""


class Rooms(Protocol):
    """What the queue asks before it stores."""

    def left(self, db: sqlite3.Connection) -> Room:
        """Return what this transaction may still store. Called on the writer's thread."""
        ...

    def tell(self) -> None:
        """Say how the queue stands, as the last ``left`` found it."""
        ...

    def roomy(self) -> bool:
        """Say whether pages that hold nothing may go back to the disk."""
        ...


class Boundless:
    """The room of a queue that nothing fills: of tools and tests."""

    def left(self, db: sqlite3.Connection) -> Room:  # noqa: ARG002 -- it asks nobody
        """Everything fits."""
        return boundless()

    def tell(self) -> None:
        """There is nothing to say."""

    def roomy(self) -> bool:
        """There is room."""
        return True


@dataclass(slots=True, eq=False)
class Space:
    """One a queue. ``under_way`` names the batch that may be at the cloud already."""

    limits: SpoolLimits
    place: Store
    engine: Engine
    voices: Voices
    under_way: Callable[[], str]
    found: Assessment | None = None
    _refused: bool = False
    _given_up: bool = False
    _bell: Bell = field(default_factory=Bell)
    _allowance: Allowance | None = None

    def left(self, db: sqlite3.Connection) -> Room:
        """Return what this transaction may still store. Called on the writer's thread."""
        self.found = assess(making.usage(db), self.place.look(), self.limits, self._level)
        return self.found.room

    @property
    def _level(self) -> Level:
        return self.found.level if self.found is not None else Level.OK

    def roomy(self) -> bool:
        """Say whether pages that hold nothing may go back to the disk."""
        return self._level is Level.OK

    def tell(self) -> None:
        """Let the problems say what was found, and make room soon if there is none."""
        found = self.found
        if found is None:
            return
        if found.level is Level.OK:
            self.voices.clear(DATA_HELD_BACK, QUEUE)
        else:
            where = "the disk's space" if found.bound.value == "disk" else "spool.bytes_max"
            self.voices.report(Raised(DATA_HELD_BACK, QUEUE, f"{found.level.value}, by {where}"))
        if found.alerts_held:
            self.voices.report(Raised(ALERTS_HELD_BACK, QUEUE))
        else:
            self.voices.clear(ALERTS_HELD_BACK, QUEUE)
        if found.level is Level.FULL:
            self._bell.ring()

    def judge(self, file: str, error: sqlite3.Error) -> Raised:
        """Return the problem that ``error`` is, and give up the reserve if the disk is full."""
        disk = replace(self.place.look(), read_only=self.place.takes_no_writes())
        raised = judge(file, error, disk)
        if raised.problem is DISK_FULL and self.place.give_up():
            self._given_up = True
            LOG.warning("event=reserve-given-up subject=%s", file)
        if file == FILE:
            self._refused = True
        self._bell.ring()
        return raised

    def relieve(self, error: Exception) -> bool:
        """Give up the reserve if ``error`` came of a full disk; True: it is worth another try.

        May be called on any thread. The next look says that the reserve is gone.
        """
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY_CODE
        full = code == sqlite3.SQLITE_FULL or self.place.look().free_bytes < FULL_BYTES
        given = full and self.place.give_up()
        if given:
            LOG.warning("event=reserve-given-up %s", error)
        return given

    def relieving(self, begin: Callable[[], Awaitable[R]]) -> Callable[[], Awaitable[R]]:
        """Return ``begin``, begun once more with the reserve's space where the disk was full."""

        async def tried() -> R:
            try:
                return await begin()
            except OperatorFaultError as error:
                if not self.relieve(error):
                    raise
            return await begin()

        return tried

    async def run(self) -> NoReturn:
        """Keep the room until cancelled; whoever runs this begins it anew when a write fails."""
        while True:
            await self.look()
            await self._bell.wait(self.limits.look_every_s)

    async def look(self) -> None:
        """Make room where there is none, lay the reserve again, and say how it stands.

        Raises:
            sqlite3.Error: a write failed; the problem stands, and the next look tries again.
        """
        try:
            await self._keep()
        except sqlite3.Error as error:
            self._given_up = False
            self.voices.refused(FILE, error)
            if not self._given_up:
                raise
            # At once, before another program takes what the reserve has freed.
            await self._keep()

    async def _keep(self) -> None:
        refused, self._refused = self._refused, False
        if refused or not self.roomy():
            # What the WAL holds gets its place in the file while there is one, and a WAL that
            # cannot grow is begun anew.
            await self.engine.checkpoint()
        await self._make()
        await self._lay()
        if refused and not self._refused:
            await self.engine.write(making.probe)
            self.voices.written(FILE)
        self.tell()

    async def _make(self) -> None:
        self._give_up_aside()
        shed: Counter[MessageClass] = Counter()
        left = None
        while left is None or left > 0:
            made = await self.engine.write(
                making.make_room,
                disk=self.place.look(),
                limits=self.limits,
                before=self._level,
                now=self.voices.clock.site(),
                sparing=self.under_way(),
            )
            self.found = made.found
            left = OVERSHOOT * made.missing_bytes if left is None else left
            left -= made.shed_bytes
            shed += made.shed
            if not made.shed_bytes:
                break
            await self.engine.checkpoint()
        if shed:
            self._log_shed(shed)
            self.voices.news()

    def _give_up_aside(self) -> None:
        """Let evidence go before messages: files of a queue that were found damaged."""
        found = self.found
        if found is not None and found.level is not Level.OK and found.bound is Bound.DISK:
            name = self.place.give_up_aside()
            if name:
                LOG.warning("event=aside-given-up subject=%s: the disk is short of space", name)

    def _log_shed(self, shed: Counter[MessageClass]) -> None:
        now = self.voices.clock.now()
        before = self._allowance or Allowance(now)
        self._allowance, unlogged = before.spend(now)
        if unlogged is not None:
            what = " ".join(f"{one.value}={count}" for one, count in shed.items())
            more = f" ({unlogged} times before it were not logged)" if unlogged else ""
            LOG.warning("event=shed %s%s", what, more)

    async def _lay(self) -> None:
        """Lay the reserve, if need be with pages that the queue's file can spare."""
        if not await asyncio.to_thread(self.place.lay):
            disk = self.place.look()
            wanted = self.place.reserve_bytes + SPARE_BYTES - disk.free_bytes - disk.reserve_bytes
            spare = self.found.data_room if self.found is not None and self.roomy() else 0
            while 0 < wanted < spare and (returned := await self.engine.write(_shorten)):
                await self.engine.checkpoint()
                wanted, spare = wanted - returned, spare - returned
            if not await asyncio.to_thread(self.place.lay):
                detail = f"{disk.free_bytes} bytes are free, the reserve is given up"
                self.voices.report(Raised(DISK_FULL, RESERVE, detail))
                return
        self.voices.clear(DISK_FULL, RESERVE)


def _shorten(db: sqlite3.Connection) -> int:
    """Give one step of unused pages back; return how many bytes those are."""
    before = making.usage(db).reusable_bytes
    give_back(db, PAGES_A_STEP)
    return before - making.usage(db).reusable_bytes


def kept(
    limits: SpoolLimits, place: Store, engine: Engine, voices: Voices, under_way: Callable[[], str]
) -> Space:
    """Return the room of ``engine``'s queue, told of every write that fails."""
    space = Space(limits, place, engine, voices, under_way)
    voices.judge = space.judge
    return space
