"""The numbers of the site that nobody else keeps: gaps, horizon, flash wear, time offline."""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

import aiosqlite

from gateway.app import horizon
from gateway.app.device import Fleet
from gateway.app.space import Space
from gateway.app.voices import Voices
from gateway.broker.service import Seen
from gateway.health import store
from gateway.health.problems import HORIZON_SHORT
from gateway.health.procfs import written_bytes
from gateway.health.prometheus import Exposition
from gateway.health.wear import DAYS_KEPT as WEAR_DAYS_KEPT
from gateway.health.wear import Meter
from gateway.intake.share import Shares
from gateway.model.identity import DeviceId
from gateway.model.problem import Raised
from gateway.model.time import SiteTime
from gateway.spool import gaps
from gateway.spool.budget import LARGEST_BYTES
from gateway.store.sqlite import Engine
from gateway.uplink.connectivity import Link, Standing
from gateway.web.status import GapsStatus, GapStatus, RoomStatus, TrafficStatus, WearStatus

LOOK_EVERY_S: Final = 60.0
STORE_WEAR_EVERY: Final = 5
"""Looks; a kill loses the count of so many minutes, and a commit a minute would be wear too."""
MEASURED_ENOUGH_H: Final = 6.0
"""The first hours after a start, with what devices resend then, say little about a day."""
GAP_DAYS: Final = 7
GAPS_SHOWN_MAX: Final = 20
TALKERS_SHOWN_MAX: Final = 5


@dataclass(slots=True)
class Numbers:
    """One a process; ``look`` is cheap and may be called at any time."""

    fleet: Fleet
    voices: Voices
    spool: Engine
    state: Engine
    reader: aiosqlite.Connection
    seen: Seen
    standing: Callable[[], Standing]
    space: Space
    shares: Shares
    exposition: Exposition = field(default_factory=Exposition)
    meter: Meter = field(default_factory=Meter)
    began: SiteTime = field(init=False)
    offline_ms: int = 0
    """Time without the cloud since this process began."""
    _looked: SiteTime | None = None

    def __post_init__(self) -> None:
        self.began = self.fleet.clock.site()

    async def run(self) -> NoReturn:
        """Look once a minute, and store what reached the disk, until cancelled."""
        for engine in (self.spool, self.state):
            engine.timed = self.exposition.commits_of(engine.path.name)
        # A site that is opened again in the same process would count its start once more.
        self.meter.begin({os.getpid(): written_bytes(os.getpid())})
        self.meter.by_day = await self.state.write(store.wear)
        looks = 0
        while True:
            self.look()
            await self._judge_horizon()
            if looks % STORE_WEAR_EVERY == 1:
                await self._keep_wear()
            looks += 1
            await self.fleet.clock.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Read what the kernel counts, and add the time since the last look."""
        now = self.fleet.clock.site()
        pids = [pid for pid in (os.getpid(), self.seen.pid) if pid is not None]
        self.meter.read({pid: written_bytes(pid) for pid in pids}, now)
        if self._looked is not None and self.standing().link is Link.OFFLINE:
            self.offline_ms += max(0, now - self._looked)
        self._looked = now

    async def watch_absences(self) -> NoReturn:
        """Write down once a minute how long devices were away, until cancelled."""
        absences, clock = self.fleet.absences, self.fleet.clock
        while True:
            counts = absences.take(clock.site())
            if counts:
                try:
                    await self.spool.write(gaps.tally, counts, clock.site())
                except sqlite3.Error:
                    absences.owe(counts)
                    raise
            await clock.sleep(LOOK_EVERY_S)

    async def _keep_wear(self) -> None:
        owed = dict(self.meter.owed)
        if owed:
            await self.state.write(store.add_wear, owed, WEAR_DAYS_KEPT)
            self.meter.stored(owed)
            self.voices.written("state.db")

    async def _judge_horizon(self) -> None:
        """Say when the site would not survive what it is planned for."""
        outage_h = self.fleet.config.plan.outage_h
        found = await self.reckon()
        lost = found.losing(outage_h) if found.rates.hours >= MEASURED_ENOUGH_H else []
        if lost:
            first = min(lost, key=lambda one: one.hours or 0)
            what = f"{first.message_class.value} for {first.hours or 0:.1f} h of {outage_h:g} h"
            self.voices.report(Raised(HORIZON_SHORT, "spool", what))
        else:
            self.voices.clear(HORIZON_SHORT, "spool")

    async def reckon(self) -> horizon.Reckoning:
        """Return how long an outage is survived from now on."""
        fleet = self.fleet
        used = {device.profile for device in fleet.devices.values()} or set(fleet.catalogue)
        contracts = [found[1].contract for name, found in fleet.catalogue.items() if name in used]
        times = self.began, fleet.clock.site()
        return await horizon.from_now(fleet.config, self.reader, contracts, times, self.space.found)

    def wear(self) -> WearStatus:
        """Return what the disk had to take."""
        self.look()
        found = self.meter.wear(self.fleet.clock.site())
        return WearStatus(found.today_bytes, found.mean_bytes, found.days)

    def room(self) -> RoomStatus | None:
        """Return how much room the queue has, as it was seen last."""
        found = self.space.found
        if found is None:
            return None
        return RoomStatus(
            level=found.level.value,
            bound=found.bound.value,
            capacity_bytes=found.capacity,
            data_room_bytes=found.data_room - LARGEST_BYTES,
            alert_room_bytes=found.alert_room,
            alerts_held=found.alerts_held,
        )

    def traffic(self) -> list[TrafficStatus]:
        """Return who sent most in the last minute."""
        sent = self.shares.attribution()
        total = sum(said.messages for said in sent.values())
        return [
            TrafficStatus(device, said.messages, said.bytes, 100 * said.messages // total)
            for device, said in list(sent.items())[:TALKERS_SHOWN_MAX]
            if said.messages
        ]

    async def gaps(
        self, days: int = GAP_DAYS, device: DeviceId | None = None, most: int | None = None
    ) -> GapsStatus:
        """Return what devices missed; with ``most`` the worst so many that missed anything."""
        found = [
            GapStatus(
                device=one.device,
                received=one.received,
                lost=one.lost,
                duplicates=one.duplicates,
                declared_lost=one.declared_lost,
                offline_s=one.offline_ms // 1_000,
            )
            for one in await gaps.report(self.reader, self.fleet.clock.site(), days, device)
        ]
        if most is not None:
            missed = [one for one in found if _badness(one) > (0, 0, 0, 0)]
            found = sorted(missed, key=_badness, reverse=True)[:most]
        return GapsStatus(days, found)


def _badness(gap: GapStatus) -> tuple[int, int, int, int]:
    return gap.lost, gap.declared_lost, gap.offline_s, gap.duplicates
