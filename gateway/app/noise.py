"""Wiring of the noisy device: the link's gate, the cut, the release, and who sent how much."""

import logging
import sqlite3
from dataclasses import dataclass, field
from typing import Final, NoReturn

from gateway.app.device import Fleet, Withheld
from gateway.app.voices import Voices
from gateway.health.audit import audit
from gateway.intake import noisy as noisy_store
from gateway.intake.limits import IntakeLimits
from gateway.intake.noise import Event, Noisy, Phase, advance
from gateway.intake.problems import NOISY, OVER_SHARE
from gateway.intake.share import ROUND_S, Round, Shares, Traffic
from gateway.model.access import Access
from gateway.model.allowance import Allowance
from gateway.model.audit import GATEWAY, Action
from gateway.model.identity import DeviceId
from gateway.model.problem import Raised
from gateway.model.time import Instant

LOG = logging.getLogger(__name__)

OWN: Final = "gateway/"
"""Topics on which the gateway speaks to itself."""
REFUSED: Final = "messages_over_share_total"
AT_MOST_ONCE: Final = "messages_qos0_total"
CALM_S: Final = 60.0
"""So long without a refusal, and a device is said to keep within its share again."""


@dataclass(slots=True)
class Warden:
    """The gate of every link that hears devices, and what follows from what it counts."""

    fleet: Fleet
    voices: Voices
    limits: IntakeLimits
    shares: Shares = field(init=False)
    standing: dict[DeviceId, Noisy] = field(default_factory=dict[DeviceId, Noisy])
    _refused_at: dict[DeviceId, Instant] = field(default_factory=dict[DeviceId, Instant])
    """When a device that is said to be over its share was last refused something."""
    _allowances: dict[DeviceId, Allowance] = field(default_factory=dict[DeviceId, Allowance])

    def __post_init__(self) -> None:
        self.shares = Shares(self.limits)

    # The gate.

    def enter(self, topic: str, size_bytes: int, qos: int) -> bool:
        """Count a message as it comes, and say whether it may enter; see ``intake.share``."""
        if topic.startswith(OWN):
            return True
        device, rule = self.fleet.addressed(topic)
        now = self.voices.clock.now()
        if device in self.fleet.withheld:
            self.shares.refuse(device, size_bytes, now)
            return False
        return self.shares.enter(device, size_bytes, qos, now, repeats=rule is None)

    def leave(self, topic: str) -> None:
        """Note that a message was taken out of the inbox."""
        if not topic.startswith(OWN):
            self.shares.leave(self.fleet.addressed(topic)[0])

    # What follows.

    async def load(self) -> None:
        """Cut off again who was cut off when the gateway last ended."""
        async with self.fleet.state.reader() as db:
            found = await noisy_store.known(db, self.voices.clock.site())
        self.standing = {name: one for name, one in found.items() if name in self.fleet.devices}
        for one in self.standing.values():
            self._withhold(one)

    async def run(self) -> NoReturn:
        """Close a round each second until cancelled."""
        while True:
            await self.voices.clock.sleep(ROUND_S)
            await self.turn()

    async def turn(self) -> None:
        """Judge the last second, and release who is due."""
        found = self.shares.turn()
        self._tell(found)
        for device, seconds in found.over.items():
            if seconds >= self.limits.noisy_after_s and device in self.fleet.devices:
                self.shares.pardon(device)
                await self._move(device, Event.OVER, found.traffic[device])
        now = self.voices.clock.site()
        for device, noisy in list(self.standing.items()):
            if noisy.due(now):
                await self._move(device, Event.RELEASE_DUE, Traffic())
            elif noisy.phase is Phase.FREE and noisy.forgotten(now):
                await self.fleet.state.write(noisy_store.forget, device)
                del self.standing[device]

    async def _move(self, device: DeviceId, event: Event, said: Traffic) -> None:
        """Make one move: first the broker, which refuses from then on, then the record of it."""
        now = self.voices.clock.site()
        noisy = advance(device, self.standing.get(device), event, now, self.limits)
        if noisy is None:
            return
        self.standing[device] = noisy
        self._withhold(noisy, said)
        await self.fleet.enforce(device)
        detail = {"reason": "noisy", "phase": noisy.phase.value, "times": noisy.times}
        if event is Event.OVER:
            detail |= {"messages_per_s": said.messages, "bytes_per_s": said.bytes}
        action = Action.DEVICE_RELEASED if noisy.phase is Phase.FREE else Action.DEVICE_QUARANTINED

        def unit(db: sqlite3.Connection) -> None:
            noisy_store.keep(db, noisy)
            audit(db, now, GATEWAY, action, device, detail)

        await self.fleet.state.write(unit)

    def _withhold(self, noisy: Noisy, said: Traffic | None = None) -> None:
        device = noisy.device
        if noisy.phase is Phase.FREE:
            self.fleet.withheld.pop(device, None)
            self.voices.clear(NOISY, device)
            return
        state = Access.QUARANTINED if noisy.phase is Phase.CUT else Access.REVOKED
        self.fleet.withheld[device] = Withheld(state, noisy.until)
        sent = f"{said.messages} messages in a second; " if said else ""
        left_s = max(0, noisy.until - self.voices.clock.site()) // 1000
        again = f", the {noisy.times}. time" if noisy.times > 1 else ""
        detail = f"{sent}let in again in {left_s} s{again}"
        self.voices.report(Raised(NOISY, device, detail))

    def _tell(self, found: Round) -> None:
        """Count, log within each device's allowance, and say who is over its share for long."""
        now = self.voices.clock.now()
        count = self.voices.register.count
        for device, said in found.traffic.items():
            if said.at_most_once:
                count(AT_MOST_ONCE, said.at_most_once)
            if said.refused:
                count(REFUSED, said.refused)
                self._refused_at[device] = now
                self._log(device, said, now)
        for device, seconds in found.limited.items():
            wild = device in found.over or device in self.fleet.withheld
            if seconds >= self.limits.noisy_after_s and not wild:
                sent = found.traffic[device]
                detail = f"{sent.refused} of {sent.messages} messages refused in a second"
                self.voices.report(Raised(OVER_SHARE, device, detail))
        for device, last in list(self._refused_at.items()):
            if now - last >= CALM_S:
                del self._refused_at[device]
                self._allowances.pop(device, None)
                self.voices.clear(OVER_SHARE, device)

    def _log(self, device: DeviceId, said: Traffic, now: Instant) -> None:
        before = self._allowances.get(device, Allowance(now))
        self._allowances[device], unlogged = before.spend(now)
        if unlogged is not None:
            more = f" ({unlogged} lines before it were not logged)" if unlogged else ""
            LOG.warning(
                "event=over-share device=%s refused=%d of=%d bytes=%d%s",
                device,
                said.refused,
                said.messages,
                said.bytes,
                more,
            )


async def watching(fleet: Fleet, voices: Voices, limits: IntakeLimits) -> Warden:
    """Return a warden that knows whom the last one had cut off."""
    warden = Warden(fleet, voices, limits)
    await warden.load()
    return warden
