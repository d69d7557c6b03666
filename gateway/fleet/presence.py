"""Who was heard lately, and what each device last said of itself.

Pure. Bounded by the inventory.
"""

from dataclasses import dataclass, field

from gateway.model.identity import DeviceId
from gateway.model.status import DeviceStatus
from gateway.model.time import SiteTime


@dataclass(frozen=True, slots=True)
class Heard:
    """One device: when it was heard last, and its last status, None before the first."""

    at: SiteTime | None = None
    status: DeviceStatus | None = None
    live: bool = False
    """It says no status, and what it sends is the only sign of it."""

    @property
    def state(self) -> str:
        """``online`` or ``offline`` by its own word or its last will, else ``never-seen``."""
        if self.status is not None:
            return self.status.state
        if self.live:
            return "online"
        return "never-seen" if self.at is None else "offline"


@dataclass(slots=True)
class Presence:
    """All devices of the inventory that were heard."""

    devices: dict[DeviceId, Heard] = field(default_factory=dict[DeviceId, Heard])

    def of(self, device: DeviceId) -> Heard:
        """Return what is known of ``device``."""
        return self.devices.get(device, Heard())

    def doubt(self) -> None:
        """Forget who is online: a new connection to the broker tells it anew, or nobody does.

        A broker that restarted has neither the last wills nor the retained statuses.
        """
        for device, heard in self.devices.items():
            self.devices[device] = Heard(heard.at, None)

    def silent(self) -> list[DeviceId]:
        """Return the devices that were heard once and are not online."""
        return [device for device, heard in self.devices.items() if heard.state == "offline"]

    def seen(self, device: DeviceId, now: SiteTime, *, live: bool = False) -> None:
        """Note that a device sent something; with ``live`` this is how it says that it is there."""
        self.devices[device] = Heard(now, self.of(device).status, live)

    def lost(self, device: DeviceId) -> None:
        """Note that a device which says no status has been silent for too long."""
        self.devices[device] = Heard(self.of(device).at)

    def said(self, device: DeviceId, status: DeviceStatus, now: SiteTime, *, live: bool) -> None:
        """Note a status. A retained one (not ``live``) tells the state, not when it was said."""
        at = now if live and status.state == "online" else self.of(device).at
        self.devices[device] = Heard(at, status)
