"""Wiring of the device journey: inventory, contracts, access, presence."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway.app.bell import Bell
from gateway.app.deeds import add_device
from gateway.broker.dynsec import Dynsec
from gateway.broker.mqtt import Link
from gateway.config import Config
from gateway.fleet.absence import Absences
from gateway.fleet.folder import Catalogue
from gateway.fleet.presence import Presence
from gateway.identity import pki, store
from gateway.identity.authority import Authority
from gateway.identity.connection import Connection, Granted
from gateway.identity.enrolment import Candidate, RequestRefused, enrol
from gateway.identity.inventory import UNCONFIRMED, Addition, Device
from gateway.identity.watch import Facts
from gateway.intake.store import Origin
from gateway.intake.wire import device_of
from gateway.model.access import Access, Role, role
from gateway.model.contract import ContractInForce
from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.model.identity import DeviceId, device_id
from gateway.model.time import Clock, SiteTime, UnixMs
from gateway.model.topicmap import TopicRule
from gateway.store.sqlite import Engine

LOG = logging.getLogger(__name__)


class UnusableRequestError(Exception):
    """A request to the control API names something that cannot be used."""


TAUGHT_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Withheld:
    """What a device may do for a while instead of what the inventory says, and until when."""

    access: Access
    until: SiteTime


@dataclass(slots=True)
class Fleet:
    """The devices of the site and what each may do."""

    config: Config
    folder: Path
    """Where gateway.toml lies."""
    clock: Clock
    state: Engine
    authority: Authority
    catalogue: Catalogue
    changed: Callable[[], None]
    devices: dict[DeviceId, Device] = field(default_factory=dict[DeviceId, Device])
    presence: Presence = field(default_factory=Presence)
    absences: Absences = field(default_factory=Absences)
    control: Dynsec | None = None
    """The way to the broker's access rules while there is a connection."""
    data: Link | None = None
    behind: bool = False
    """The broker has not learned of a device yet."""
    taught: Bell = field(default_factory=Bell)
    """Rings when the broker has learned of every device."""
    _told_open: set[str] = field(default_factory=set[str])
    withheld: dict[DeviceId, Withheld] = field(default_factory=dict[DeviceId, Withheld])
    """Devices that are cut off for their noise."""
    _mapped: dict[str, tuple[DeviceId, TopicRule]] = field(
        default_factory=dict[str, tuple[DeviceId, TopicRule]]
    )
    """The topics of devices that cannot speak the protocol."""

    async def load(self, used: Mapping[DeviceId, Origin]) -> None:
        """Read the inventory; ``used`` tells who was heard before this start.

        Raises:
            OperatorFaultError: the profile of an enrolled device is gone.
        """
        async with self.state.reader() as db:
            self.devices = {device.id: device for device in await store.read_devices(db)}
        for device in self.devices.values():
            if device.profile not in self.catalogue:
                msg = (
                    f"device {device.id} is enrolled with profile {device.profile}, which is not "
                    f"in {self.config.site.profiles_dir}: put its folder back"
                )
                raise OperatorFaultError(msg)
        for name in self.devices:
            self._map(name)
        for name, origin in used.items():
            if name in self.devices and origin.used is not None:
                self.presence.seen(name, origin.used)
        self._say_what_is_not_private()

    def open_contracts(self) -> list[str]:
        """Return the contracts in use that let result rows leave: no DP release."""
        used = {device.profile for device in self.devices.values()}
        return sorted(
            contract.contract.name
            for name, (_, contract) in self.catalogue.items()
            if name in used and contract.contract.result.rows_leave
        )

    def _say_what_is_not_private(self) -> None:
        for name in set(self.open_contracts()) - self._told_open:
            self._told_open.add(name)
            LOG.warning(
                "event=not-differentially-private contract=%s lets result rows leave the site", name
            )

    def contract_of(self, device: DeviceId) -> ContractInForce | None:
        """Return the contract that binds ``device``; None when it may send nothing."""
        known = self.devices.get(device)
        if known is None or role(self.access_of(known)) is not Role.FULL:
            return None
        found = self.catalogue.get(known.profile)
        return found[1] if found else None

    def access(self) -> dict[DeviceId, Access]:
        """Return what each device may do, for the broker."""
        return {device.id: self.access_of(device) for device in self.devices.values()}

    def access_of(self, device: Device) -> Access:
        """Return what a device may do now; a cut for noise never raises what it may do."""
        withheld = self.withheld.get(device.id)
        if withheld is None or role(device.access) is not Role.FULL:
            return device.access
        return withheld.access

    def addressed(self, topic: str) -> tuple[DeviceId, TopicRule | None]:
        """Return whose topic this is, and what its topic map makes of it, if it is in one."""
        return self._mapped.get(topic) or (device_of(topic), None)

    def topics_of(self, device: DeviceId) -> tuple[str, ...]:
        """Return the topics that a device's map adds to those of the protocol."""
        return tuple(rule.of(device) for rule in self._rules(device))

    def is_mapped(self, device: DeviceId) -> bool:
        """Tell whether a device has a topic map: it then need not say its status."""
        return bool(self._rules(device))

    def topic_filters(self) -> tuple[list[str], list[str]]:
        """Return the subscriptions that hear all topic maps: (of alerts, of the rest)."""
        rules = [rule for profile, _ in self.catalogue.values() for rule in profile.topics]
        alerts = {rule.topic_filter for rule in rules if rule.alert is not None}
        return sorted(alerts), sorted({rule.topic_filter for rule in rules} - alerts)

    def heard(self, device: DeviceId, now: SiteTime) -> bool:
        """Note that a device sent something; return whether one without a status is back."""
        mapped = self.is_mapped(device)
        back = mapped and self.presence.of(device).state != "online"
        self.presence.seen(device, now, live=mapped)
        if back:
            self.absences.back(device, now)
        return back

    def quiet(self) -> list[DeviceId]:
        """Return who should be there and is not: a status missed, or too long a silence."""
        now = self.clock.site()
        found: list[DeviceId] = []
        for device in self.devices:
            heard, rules = self.presence.of(device), self._rules(device)
            if rules and heard.status is None:
                after_s = self.catalogue[self.devices[device].profile][0].silent_after_s
                if after_s and heard.at is not None and now - heard.at >= after_s * 1000:
                    self.presence.lost(device)
                    found.append(device)
            elif heard.state == "offline":
                found.append(device)
        return found

    def _rules(self, device: DeviceId) -> tuple[TopicRule, ...]:
        known = self.devices.get(device)
        found = self.catalogue.get(known.profile) if known is not None else None
        return found[0].topics if found is not None else ()

    def _map(self, device: DeviceId) -> None:
        self._mapped |= {rule.of(device): (device, rule) for rule in self._rules(device)}

    async def add(self, name: str, profile: str, csr_pem: bytes) -> Granted:
        """Enrol a device: inventory first, then the broker, then its certificate.

        The broker may be down: it learns of the device when the connection returns.

        Crash: after the inventory's commit the device exists without a certificate and its
        id is spent: choose another. No certificate exists of an unknown device.

        Raises:
            UnusableRequestError: id, profile or request cannot be used.
            RefusedError: the id is taken or the site is full.
        """
        try:
            wanted = device_id(name)
        except ValueError as error:
            raise UnusableRequestError(str(error)) from error
        if profile not in self.catalogue:
            msg = f"no profile {profile!r}; there are: {', '.join(sorted(self.catalogue))}"
            raise UnusableRequestError(msg)
        candidate = Candidate(wanted, profile, self.catalogue[profile][0].trust)
        now = self.clock.wall()  # site time may be ahead of it, and devices compare with theirs
        enrolled = enrol(csr_pem, candidate, now, self.authority.issue_device)
        if isinstance(enrolled, RequestRefused):
            raise UnusableRequestError(enrolled.reason)
        most = self.config.intake.max_devices
        match await self.state.write(add_device, enrolled.device, most, self.clock.site()):
            case Addition.EXISTS:
                msg = f"a device {wanted} exists already; its certificate cannot be issued twice"
                raise RefusedError(msg)
            case Addition.FULL:
                msg = f"the site has its {most} devices (intake.max_devices)"
                raise RefusedError(msg)
            case Addition.RESTORED:
                raise RefusedError(UNCONFIRMED)
            case Addition.ADDED:
                self.devices[wanted] = enrolled.device
                self._map(wanted)
                self._say_what_is_not_private()
        await self._tell_broker(enrolled.device)
        self.changed()
        return Granted(
            enrolled.certificate_pem.decode(),
            self.authority.certificate_pem().decode(),
            Connection(
                id=wanted,
                profile=profile,
                host=self.config.site.addresses[0],
                mqtt_port=self.config.broker.port,
            ),
        )

    async def _tell_broker(self, device: Device) -> None:
        """Let a new device in, if there is a connection; the next one does it for all.

        One that just begins is waited for, or the device would be turned away meanwhile.
        """
        if self.control is None or self.data is None:
            self.behind = True  # it may have asked who there is already
            self.taught.silence()
            await self.taught.wait(TAUGHT_WITHIN_S)
            return
        try:
            await self.control.add(device.id, device.access)
            await self.tell_access(self.data, device)
        except OperatorFaultError as error:
            # The id is taken: without its certificate the device could never connect.
            self.behind = True
            LOG.warning("event=broker-learns-later device=%s %s", device.id, error)

    async def enforce(self, name: DeviceId) -> None:
        """Let broker and device know what a device may do now; without a connection, later."""
        device = self.devices[name]
        if self.control is None or self.data is None:
            self.behind = True
            return
        try:
            await self.control.change(name, self.access_of(device))
            await self.tell_access(self.data, device)
        except OperatorFaultError as error:
            self.behind = True
            LOG.warning("event=broker-learns-later device=%s %s", name, error)

    async def tell_access(self, link: Link, device: Device) -> None:
        """Publish the retained ``down/access`` of a device; the broker forgets at its restart."""
        withheld = self.withheld.get(device.id)
        document: dict[str, object] = {
            "state": self.access_of(device).value,
            "reasons": ["noisy"] if withheld else [],
            "until": withheld.until if withheld else None,
            "window": self.config.intake.window,
        }
        await link.publish(
            f"line/{device.id}/down/access", msgspec.json.encode(document), retain=True
        )

    async def facts(self) -> Facts:
        """Return what the certificate watch looks at."""
        try:
            folder = Path(self.config.site.state_dir) / pki.FOLDER
            server = pki.server_certificate(folder, self.authority)
        except OperatorFaultError:
            server = None  # its key was opened to others: the next start says so and stops
        recovery = self.folder / pki.RECOVERY_PRIVATE_FILE
        return Facts(
            site_ca_not_after=self.authority.not_after,
            server_not_after=server.not_after if server else UnixMs(0),
            devices=[(one.id, one.not_after) for one in self.devices.values()],
            recovery_key_file=str(recovery) if recovery.exists() else None,
        )
