"""Retention as housekeeping, and its proof in the audit log."""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from gateway.app.voices import Voices
from gateway.health.audit import audit, last_of
from gateway.health.proof import EVERYTHING, Expired, Remaining, daily, proofs
from gateway.model.audit import GATEWAY, Action
from gateway.model.time import Clock, SiteTime
from gateway.spool import overdue
from gateway.spool.limits import EXPIRED_A_SWEEP_MAX
from gateway.store.sqlite import Engine

PROVED_EVERY_S: Final = 6 * 3_600.0
Told = Counter[tuple[str, str]]
"""Messages that went, by class and contract; what is no message has no contract."""
SHOWN_ALERTS: Final = "shown-alert"
"""Alerts that the cloud has, kept for the page with their pictures until their time is over."""
DEAD_LETTERS: Final = "dead-letter"
COPIES: Final = (SHOWN_ALERTS, DEAD_LETTERS)
Sweep = Callable[[Told], Awaitable[int]]
"""Ends what is due in one committed transaction, tells what, and returns how many messages."""


@dataclass(slots=True)
class Retention:
    """Sweeps, and enters what went every few hours, at the start and at the end."""

    sweep_once: Sweep
    spool: Engine
    state: Engine
    clock: Clock
    voices: Voices
    _told: Told = field(default_factory=Told)
    _until: SiteTime | None = None
    """Up to when everything that was due is gone."""
    _swept: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """What went is told after its commit: no proof may be made in between."""

    async def sweep(self) -> int:
        """End what is due; see ``spool.service.Sweep``."""
        async with self._turn:
            now = self.clock.site()
            ended = await self.sweep_once(self._told)
            if ended < EXPIRED_A_SWEEP_MAX:
                self._until = now
                self._swept.set()
            return ended

    async def run(self) -> NoReturn:
        """Prove until cancelled, and once more then; first when this process has swept."""
        try:
            await self._swept.wait()  # else one that was off for days begins with what is left
            while True:
                await self.prove()
                self.voices.written("state.db")
                await self.clock.sleep(PROVED_EVERY_S)
        except asyncio.CancelledError:
            with contextlib.suppress(sqlite3.Error):  # else the next start's entry says it
                if self._swept.is_set():
                    await self.prove()
            raise

    async def prove(self) -> None:
        """Enter what went since the last entry, and once a day that nothing is left."""
        async with self._turn:
            until = self.clock.site() if self._until is None else self._until
            async with self.spool.reader() as db:
                totals = await overdue.expired(db)
                remaining = Remaining(*await overdue.remaining(db, until))
            told = self._told
            await self.state.write(_enter, totals, told, until, remaining, self.clock.site())
            # Not before the commit: what could not be entered is entered the next time.
            told.clear()


def _enter(  # noqa: PLR0913, PLR0917 -- one transaction, and all that it needs
    db: sqlite3.Connection,
    totals: dict[str, int],
    told: Told,
    until: SiteTime,
    remaining: Remaining,
    at: SiteTime,
) -> None:
    before: dict[str, tuple[int, SiteTime]] = {}
    for name in totals:
        last = last_of(db, Action.RETENTION, name)
        if last is not None:
            before[name] = int(last.detail["total"]), SiteTime(int(last.detail["until_ms"]))
    expired = [
        Expired(name, sha256, count)
        for (name, sha256), count in sorted(told.items())
        if name not in COPIES
    ]
    for name, detail in proofs(totals, before, expired, until):
        audit(db, at, GATEWAY, Action.RETENTION, name, detail)
    for (name, _), count in sorted(told.items()):
        if name in COPIES:
            detail = {"messages": count, "until_ms": until}
            audit(db, at, GATEWAY, Action.RETENTION, name, detail)
    last = last_of(db, Action.RETENTION, EVERYTHING)
    due = daily(last.at if last else None, at, until, remaining)
    if due is not None:
        audit(db, at, GATEWAY, Action.RETENTION, EVERYTHING, due)
