"""The horizon of this site: limits and contracts of its configuration, rates of its queue."""

import math
import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiosqlite

from gateway.config import Config
from gateway.health.limits import PlanLimits
from gateway.model.contract import Contract
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool import counted, rates, trace
from gateway.spool.budget import LARGEST_BYTES, ROW_BYTES, WAL_BYTES, Assessment, Bound
from gateway.spool.counted import Inflow
from gateway.spool.horizon import Pool, Survival, horizon, losing
from gateway.spool.lifetime import HOUR_MS
from gateway.spool.limits import SpoolLimits
from gateway.spool.rates import Held, Rate, Rates, Rule, Source
from gateway.web.status import ClassHorizonStatus, HorizonStatus

ALERTS = frozenset({MessageClass.ALERT})
DATA = frozenset(MessageClass) - ALERTS
KEYS = {Bound.BUDGET: "spool.bytes_max", Bound.DISK: "free disk space"}


def rooms(limits: SpoolLimits, in_all: int, bound: Bound) -> list[Pool]:
    """Return the bounds of what may wait; ``in_all`` bytes are there for it, by ``bound``."""
    key = KEYS[bound]
    own = [
        Pool(
            f"spool.{one.value.replace('-', '_')}_bytes_max",
            frozenset({one}),
            limits.of_class(one),
            ROW_BYTES,
        )
        for one in MessageClass
    ]
    return [
        Pool(key, DATA | ALERTS, in_all, ROW_BYTES),
        Pool(key, DATA, in_all - limits.alert_reserve_bytes - LARGEST_BYTES, ROW_BYTES),
        *own,
    ]


def planned(plan: PlanLimits, message_bytes: int) -> Rates | None:
    """Return the rates of ``[plan]``; None where it holds none."""
    return rates.planned(
        {
            MessageClass.ALERT: plan.alert_bytes_per_h,
            MessageClass.ERROR_LOG: plan.error_log_bytes_per_h,
            MessageClass.RESULT: plan.result_bytes_per_h,
            MessageClass.METRIC: plan.metric_bytes_per_h,
            MessageClass.LOG: plan.log_bytes_per_h,
        },
        message_bytes,
    )


def _rows(found: Iterable[Inflow]) -> list[tuple[int, MessageClass, int, int]]:
    return [(one.hour, one.message_class, one.messages, one.size_bytes) for one in found]


def free_bytes(folder: Path) -> float:
    """Return the free space of the file system of ``folder``; without end if it is not there."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return math.inf
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, slots=True)
class Reckoning:
    """A horizon with what it was reckoned from."""

    rates: Rates
    rules: Mapping[MessageClass, Rule]
    found: Mapping[MessageClass, Survival]

    def losing(self, outage_h: float) -> list[Survival]:
        """Return the classes that such an outage would cost messages."""
        return losing(self.found.values(), outage_h)

    def document(self) -> HorizonStatus:
        """Return it as the status document has it."""
        leaving = [one for one in self.found.values() if one.leaves]
        return HorizonStatus(
            rates=self.rates.source.value,
            measured_h=round(self.rates.hours, 2),
            data_hours=_least(one for one in leaving if one.message_class in DATA),
            alert_hours=_least(one for one in leaving if one.message_class in ALERTS),
            classes=[self._of_class(one) for one in self.found.values()],
        )

    def _of_class(self, one: Survival) -> ClassHorizonStatus:
        rate = self.rates.of.get(one.message_class, Rate())
        return ClassHorizonStatus(
            message_class=one.message_class.value,
            leaves=one.leaves,
            hours=None if one.hours is None else round(one.hours, 2),
            limit=None if one.limit is None else one.limit.value,
            key=one.pool or None,
            messages_per_h=round(rate.messages_per_h, 2),
            bytes_per_h=round(rate.bytes_per_h, 2),
            kept_h=self.rules[one.message_class].kept_h,
        )


def _least(found: Iterable[Survival]) -> float | None:
    hours = [one.hours for one in found if one.hours is not None]
    return round(min(hours), 2) if hours else None


async def from_now(
    config: Config,
    db: aiosqlite.Connection,
    contracts: Iterable[Contract],
    times: tuple[SiteTime, SiteTime],
    found: Assessment | None,
) -> Reckoning:
    """Reckon with what waits already: an outage that begins, or has begun, now.

    ``times`` are when this process began, and now; ``found`` is the room as it was seen last.
    """
    began, now = times
    rules = rates.rules(contracts)
    depths = await trace.depths(db)
    held = {one: Held(depth.rows, depth.size_bytes, depth.oldest) for one, depth in depths.items()}
    plan = planned(config.plan, config.intake.planned_message_bytes)
    # What really comes in is the better guess once there is any; a plan is for before.
    inflow = await counted.inflow(db, SiteTime(now - rates.WINDOW_H * HOUR_MS))
    of = rates.measured(_rows(inflow), now, began)
    if of.source is Source.UNKNOWN and plan is not None:
        of = plan
    in_all, bound = config.spool.bytes_max, Bound.BUDGET
    if found is not None:
        alerts = _used({MessageClass.ALERT: held[MessageClass.ALERT]})
        kept_for_alerts = max(0, config.spool.alert_reserve_bytes - alerts)
        in_all, bound = _used(held) + found.data_room + kept_for_alerts, found.bound
    pools = rooms(config.spool, in_all, bound)
    return Reckoning(of, rules, horizon(rates.flows(of, rules, held, now), pools))


async def by_plan(config: Config, spool_db: Path, contracts: Iterable[Contract]) -> Reckoning:
    """Reckon for a site that has run for long with the cloud there, by its planned rates.

    Where none are planned, those of the last day that its queue has seen count;
    ``Source.UNKNOWN`` says that there are neither.
    """
    rules = rates.rules(contracts)
    of = planned(config.plan, config.intake.planned_message_bytes)
    if of is None:
        of = await _seen(spool_db)
    limits = config.spool
    free = free_bytes(Path(config.site.state_dir)) + (_size(spool_db) or 0)
    by_disk = int(min(free - limits.state_reserve_bytes - WAL_BYTES, limits.bytes_max))
    bound = Bound.DISK if by_disk < limits.bytes_max else Bound.BUDGET
    flows = rates.flows(of, rules, rates.settled(of, rules), SiteTime(0))
    return Reckoning(of, rules, horizon(flows, rooms(limits, by_disk, bound)))


def _used(held: Mapping[MessageClass, Held]) -> int:
    return sum(one.size_bytes + one.messages * ROW_BYTES for one in held.values())


async def _seen(spool_db: Path) -> Rates:
    if _size(spool_db) is None:
        return Rates()
    try:
        async with aiosqlite.connect(f"file:{quote(str(spool_db))}?mode=ro", uri=True) as db:
            return rates.whole_hours(_rows(await counted.inflow(db, SiteTime(0))))
    except sqlite3.Error:  # a queue of an older release, or one that only root may read
        return Rates()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
