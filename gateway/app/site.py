"""The status document, assembled from what the capabilities know. Page and commands read it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import aiosqlite

from gateway.app.bell import Bell
from gateway.app.device import Fleet
from gateway.app.horizon import free_bytes
from gateway.app.metrics import Beside, samples
from gateway.app.numbers import GAP_DAYS, GAPS_SHOWN_MAX, Numbers
from gateway.broker.service import Seen
from gateway.health.register import Register
from gateway.intake.store import Origin, origins
from gateway.model.cipher import Cipher
from gateway.model.identity import DeviceId
from gateway.model.outcome import Outcome
from gateway.model.time import Clock, SiteTime
from gateway.spool import trace
from gateway.spool.counted import drop_totals
from gateway.uplink.connectivity import Standing
from gateway.web.limits import ALERTS_SHOWN_MAX
from gateway.web.status import (
    AlertStatus,
    BrokerStatus,
    DeviceStatus,
    ProblemStatus,
    QueueStatus,
    SpoolStatus,
    Status,
    UplinkStatus,
)

VERSION = version("site-gateway")
NEWS_AT_LEAST_EVERY_S = 1.0


@dataclass(slots=True)
class Site:
    """What ``GET /v1/status`` says, and what the page shows."""

    name: str
    clock: Clock
    fleet: Fleet
    seen: Seen
    register: Register
    reader: aiosqlite.Connection
    cipher: Cipher
    uplink: Callable[[], Standing]
    numbers: Numbers
    bell: Bell = field(default_factory=Bell)

    async def changed(self) -> None:
        """Return when something changed, at the latest after a second."""
        await self.bell.wait(NEWS_AT_LEAST_EVERY_S)

    async def picture(self, alert_id: int, number: int) -> tuple[str, bytes] | None:
        """Return type and bytes of an alert's picture; each alert has at most one."""
        if number != 0:
            return None
        return await trace.picture(self.reader, alert_id, self.cipher)

    async def status(self) -> Status:
        """Return the whole document."""
        now = self.clock.site()
        standing = self.uplink()
        depths = await trace.depths(self.reader)
        shown = await trace.alerts(self.reader, ALERTS_SHOWN_MAX, self.cipher)
        tallies = await trace.tallies(self.reader)
        return Status(
            version=VERSION,
            pid=os.getpid(),
            site=self.name,
            broker=BrokerStatus(self.seen.pid, self.seen.state.value),
            devices=await self._devices(),
            spool=SpoolStatus(
                **{
                    name.value.replace("-", "_"): QueueStatus(
                        depth.rows, depth.size_bytes, _age_s(depth.oldest, now)
                    )
                    for name, depth in depths.items()
                }
            ),
            uplink=UplinkStatus(
                standing.link.value,
                standing.since,
                await trace.parked(self.reader),
                standing.last_error or None,
            ),
            alerts=[_alert(one) for one in shown],
            problems=self._problems(),
            privacy=self.fleet.open_contracts(),
            counters={**self.register.counters, **tallies, **await drop_totals(self.reader)},
            time_ms=now,
            gaps=await self.numbers.gaps(GAP_DAYS, most=GAPS_SHOWN_MAX),
            wear=self.numbers.wear(),
            horizon=(await self.numbers.reckon()).document(),
            room=self.numbers.room(),
            traffic=self.numbers.traffic(),
        )

    async def metrics(self) -> bytes:
        """Return what Prometheus is told."""
        status = await self.status()
        beside = Beside(
            wall_ms=self.clock.wall(),
            offline_s=self.numbers.offline_ms / 1_000,
            written_bytes=self.numbers.meter.total_bytes,
            free_bytes=free_bytes(Path(self.fleet.config.site.state_dir)),
        )
        told = samples(status, self.register, beside)
        return self.numbers.exposition.text(told)

    async def _devices(self) -> list[DeviceStatus]:
        marks: dict[DeviceId, Origin] = await origins(self.reader)
        nothing = Origin(None, 0, 0, None)
        found: list[DeviceStatus] = []
        for device in self.fleet.devices.values():
            heard = self.fleet.presence.of(device.id)
            origin = marks.get(device.id, nothing)
            state = heard.state
            if state == "never-seen" and origin.used is not None:
                state = "offline"  # seen before the gateway's last start
            found.append(
                DeviceStatus(
                    id=device.id,
                    profile=device.profile,
                    state=cast("Any", state),
                    access=self.fleet.access_of(device),
                    last_seen_ms=heard.at or origin.used,
                    epoch=origin.epoch,
                    alert=origin.alert,
                    data=origin.data,
                )
            )
        return found

    def _problems(self) -> list[ProblemStatus]:
        return [
            ProblemStatus(
                code=one.raised.problem.code,
                subject=one.raised.subject,
                since_ms=one.since,
                severity=one.raised.problem.severity,
                title=one.raised.problem.title,
                cause=one.raised.problem.cause,
                action=one.raised.problem.action,
                detail=one.raised.detail,
            )
            for one in self.register.problems.values()
        ]


def _age_s(oldest: SiteTime | None, now: SiteTime) -> float | None:
    return None if oldest is None else max(0, now - oldest) / 1000


def _alert(one: trace.AlertShown) -> AlertStatus:
    return AlertStatus(
        id=one.number,
        device=one.device,
        kind=one.kind,
        severity=cast("Any", one.severity),
        label=one.label,
        score=one.score,
        received_ms=one.received,
        picture=f"/alerts/{one.number}/0.png" if one.pictured else None,
        outcome=Outcome(one.outcome),
    )
