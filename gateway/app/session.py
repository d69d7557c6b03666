"""One connection to the broker after another: access rules, retained documents, intake."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from gateway.app import lanes
from gateway.app.device import Fleet
from gateway.app.message import Queue
from gateway.app.voices import Voices
from gateway.broker.dynsec import AccessChangeError, AccessRefusedError, Dynsec
from gateway.broker.mqtt import BrokerSilentError, Gate, Link, LinkLostError
from gateway.broker.problems import BROKER_DOWN
from gateway.broker.roles import CONTROL_LINK, DATA_LINK, GATEWAY, URGENT_LINK
from gateway.broker.service import SUBJECT, Seen, State
from gateway.fleet.problems import DEVICE_SILENT
from gateway.intake.admitted import Admitted
from gateway.intake.mapped import read_rule
from gateway.intake.problems import DEAD_LETTERS, FRAME_REFUSED, KEY_CONFLICT
from gateway.intake.service import Intake
from gateway.intake.wire import (
    Read,
    Reason,
    StatusReport,
    Unsequenced,
    device_of,
    is_status,
    read,
)
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId
from gateway.model.problem import Problem, Raised
from gateway.model.time import SiteTime

LOG = logging.getLogger(__name__)

ECHO_EVERY_S = 5.0
AGAIN_AFTER_S = 0.2
AGAIN_AFTER_MOST_S = 2.0
AGAIN_AFTER_WRITE_FAILURE_S = 2.0
SESSION_S = 3_600
REFUSALS_STAND_MS = 600_000
DAY_MS = 86_400_000
SILENCE_S = 45.0
"""A device that is there says so within its longest back-off after the broker returned."""
STORED = "messages_stored_total"
_STAND_MS = ((DEAD_LETTERS, REFUSALS_STAND_MS), (FRAME_REFUSED, DAY_MS), (KEY_CONFLICT, DAY_MS))


@dataclass(slots=True)
class Session:
    """The gateway's side of the broker."""

    socket_path: str
    password: str
    fleet: Fleet
    queue: Queue
    seen: Seen
    voices: Voices
    point: Callable[[str], None]
    gate: Gate | None = None
    """Counts what devices send, and turns away what is too much."""
    _since: dict[str, dict[DeviceId, SiteTime]] = field(
        default_factory=dict[str, dict[DeviceId, SiteTime]]
    )
    """When a device last gave cause for a problem, by its code."""
    _pause_s: float = AGAIN_AFTER_S
    _told: str = ""
    _live: set[DeviceId] = field(default_factory=set[DeviceId])
    """Whose status came on this connection: it is newer than what the broker had retained."""
    _urgent: Link | None = None
    """The connection of the urgent lane while there is one."""

    async def run(self) -> None:
        """Connect, work until the connection ends, connect again; until cancelled."""
        while True:
            pause_s = self._pause_s
            self._pause_s = min(2 * pause_s, AGAIN_AFTER_MOST_S)
            broker = self.seen.running
            try:
                await self._one()
            except* (LinkLostError, AccessRefusedError) as lost:
                self._unserved("broker-link-lost", str(lost.exceptions[0]))
            except* (BrokerSilentError, AccessChangeError) as silent:
                self._unserved("broker-silent", str(silent.exceptions[0]))
                # It runs but does not serve: end it, and it is started again. Not whichever
                # runs by now: the silent one may have died and have a successor already.
                if broker is not None:
                    await broker.stop()
            except* sqlite3.Error as failed:
                pause_s = AGAIN_AFTER_WRITE_FAILURE_S
                self._refused(failed)
            self.fleet.control = self.fleet.data = None
            self.voices.news()
            await self.voices.clock.sleep(pause_s)

    def _refused(self, failed: ExceptionGroup[sqlite3.Error]) -> None:
        leaf: sqlite3.Error | ExceptionGroup[sqlite3.Error] = failed
        while isinstance(leaf, ExceptionGroup):
            leaf = leaf.exceptions[0]
        self.voices.refused("spool.db", leaf)

    @property
    def _external(self) -> bool:
        return self.queue.config.broker.mode == "external"

    def _unserved(self, event: str, why: str) -> None:
        """Say once why the broker does not serve; an attempt that fails alike is not news."""
        expected = self.seen.state is State.STARTING and not self._external
        if why != self._told and not expected:
            LOG.warning("event=%s %s", event, why)
            self._told = why
        if self._external:  # nobody else watches it here
            self.seen.state = State.DOWN
            self.voices.report(Raised(BROKER_DOWN, SUBJECT, f"{self.socket_path}: {why}"))

    def _served(self) -> None:
        self._pause_s, self._told = AGAIN_AFTER_S, ""
        if self._external:
            self.seen.state = State.RUNNING
        self.voices.clear(BROKER_DOWN, SUBJECT)

    def _link(self, identifier: str, session_s: int) -> Link:
        return Link(
            self.socket_path,
            identifier=identifier,
            username=GATEWAY,
            password=self.password,
            session_s=session_s,
            gate=self.gate if session_s else None,
        )

    async def _one(self) -> None:
        async with (
            self._link(CONTROL_LINK, 0) as control,
            self._link(DATA_LINK, SESSION_S) as data,
            self._link(URGENT_LINK, SESSION_S) as urgent,
            asyncio.TaskGroup() as tasks,
        ):
            dynsec = Dynsec(control, self.remembered, self.fleet.topics_of)
            await dynsec.subscribe()
            tasks.create_task(dynsec.run(), name="broker-control")
            self.fleet.presence.doubt()
            since = self.voices.clock.now()
            self._live.clear()
            await self._teach(dynsec, control)
            self.fleet.control, self.fleet.data = dynsec, control
            self._urgent = urgent
            alerts, rest = self.fleet.topic_filters()  # of topic maps
            for name, link, topics in (
                # first: what the urgent lane hears is answered here
                ("data", data, (*rest, *lanes.DATA)),
                ("urgent", urgent, (*alerts, *lanes.URGENT)),
            ):
                intake = self._intake(lanes.Lane(link, urgent))
                for topic in topics:
                    await link.subscribe(topic, 1, live=True)
                tasks.create_task(intake.run(), name=f"intake-{name}")
            # After the live ones, or a status that is said in between would be missed.
            await control.subscribe("line/+/up/status", 0)
            while True:
                await dynsec.echo()
                if self.fleet.behind:
                    await self._teach(dynsec, control)
                if self.voices.clock.now() - since > SILENCE_S:
                    self._say_who_is_silent()
                self._forgive()
                self._served()
                await self.voices.clock.sleep(ECHO_EVERY_S)

    def _intake(self, lane: lanes.Lane) -> Intake:
        return Intake(
            inbox=lane,
            read=partial(self.read, lane.link),
            admit=self.queue.admit,
            notice=self,
            clock=self.voices.clock,
            limits=self.queue.config.intake,
            point=self.point,
        )

    async def _teach(self, dynsec: Dynsec, control: Link) -> None:
        """Let the broker know every device, and each device what it may do."""
        self.fleet.behind = False
        await dynsec.reconcile(self.fleet.access())
        for device in list(self.fleet.devices.values()):
            await self.fleet.tell_access(control, device)
        if not self.fleet.behind:
            self.fleet.taught.ring()

    def _say_who_is_silent(self) -> None:
        for device in self.fleet.quiet():
            self.fleet.absences.gone(device, self.voices.clock.site())
            self.voices.report(Raised(DEVICE_SILENT, device))

    def _forgive(self) -> None:
        """Clear what stands against devices that have sent nothing wrong for a while."""
        now = self.voices.clock.site()
        for problem, stands_ms in _STAND_MS:
            for device, since in list(self._since.get(problem.code, {}).items()):
                if now - since >= stands_ms:
                    del self._since[problem.code][device]
                    self.voices.clear(problem, device)

    def _accuse(self, problem: Problem, device: DeviceId, detail: str) -> None:
        """Report what a device did; it stands for a while after the last time."""
        self._since.setdefault(problem.code, {})[device] = self.voices.clock.site()
        self.voices.report(Raised(problem, device, detail))

    def read(self, link: Link, delivery: Delivery) -> Read | Unsequenced:
        """Read a live delivery under contract and topic map of its device. ``link`` brought it."""
        device, rule = self.fleet.addressed(delivery.topic)
        contract = self.fleet.contract_of(device)
        if rule is not None:
            if delivery.retained:
                link.send(delivery.topic, b"", retain=True)  # the broker shall not keep it
            return read_rule(delivery, device, rule, contract, self.voices.clock.now())
        if (asked := lanes.come_back(delivery)) is not None:
            return read(asked, contract)
        if is_status(delivery.topic):
            # A device retains its status, and this is not the retained copy: it is news.
            report = read(replace(delivery, retained=False), contract)
            return replace(report, answer=False) if isinstance(report, StatusReport) else report
        if delivery.retained:
            # The broker shall not keep it. On another link than this one we would hear it.
            link.send(delivery.topic, b"", retain=True)
        return read(delivery, contract)

    def remembered(self, delivery: Delivery) -> None:
        """Note what a device said before this connection; the live copy comes to ``read``."""
        if delivery.retained:
            contract = self.fleet.contract_of(device_of(delivery.topic))
            report = read(delivery, contract)
            if isinstance(report, StatusReport) and report.device not in self._live:
                self._note(report)

    def admitted(self, result: Admitted) -> None:
        """Count what a commit brought, and say what a person should know."""
        count = self.voices.register.count
        count(STORED, result.stored)
        count("messages_duplicate_total", result.duplicates)
        if result.stored:
            self.voices.written("spool.db")
        for stream, messages in result.held.items():
            count("messages_held_back_total", messages, stream=stream.value)
        for device, reason in result.refused:
            count("messages_refused_total", 1, reason=reason.value)
            if reason is Reason.FRAME:
                self._accuse(FRAME_REFUSED, device, "see event=refused in the gateway's log")
            elif reason is not Reason.UNKNOWN_DEVICE:
                self._accuse(DEAD_LETTERS, device, f"last reason: {reason.value}")
        for device, lost in result.lost:
            count("messages_declared_lost_total", lost)
            LOG.warning("event=declared-lost device=%s messages=%d", device, lost)
        for key in result.conflicts:
            count("messages_refused_total", 1, reason=Reason.CONFLICT.value)
            detail = f"{key.stream.value} {key.seq} of epoch {key.epoch}"
            self._accuse(KEY_CONFLICT, key.device, detail)
        if result.stored or result.refused or result.conflicts:
            self.voices.news()

    def status(self, report: StatusReport) -> None:
        """Note what a device says of itself; what came back was noted when it came first."""
        if not report.answer:
            self._note(report)
            if self._urgent is not None and report.status.state == "online":
                lanes.send_behind(self._urgent, report)

    def _note(self, report: StatusReport) -> None:
        if not report.retained:
            self._live.add(report.device)
        now = self.voices.clock.site()
        self.fleet.presence.said(report.device, report.status, now, live=not report.retained)
        if report.status.state == "online":
            self.fleet.absences.back(report.device, now)
            self.voices.clear(DEVICE_SILENT, report.device)
        else:
            self.fleet.absences.gone(report.device, now)
            self.voices.report(Raised(DEVICE_SILENT, report.device))
        self.voices.news()

    def heard(self, device: DeviceId) -> None:
        """Note that a device was heard."""
        if self.fleet.heard(device, self.voices.clock.site()):
            self.voices.clear(DEVICE_SILENT, device)
            self.voices.news()
