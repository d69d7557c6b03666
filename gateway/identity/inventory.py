"""A device as the inventory knows it. Pure."""

from dataclasses import dataclass
from enum import Enum

from gateway.model.access import Access
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs


@dataclass(frozen=True, slots=True)
class Device:
    """One enrolled device and the certificate that it was given last."""

    id: DeviceId
    profile: str
    access: Access
    serial: str
    """The certificate's serial number, hexadecimal."""
    fingerprint: str
    """SHA-256 of the DER certificate, hexadecimal."""
    not_after: UnixMs
    added: UnixMs


class Addition(Enum):
    """What became of the wish to add a device."""

    ADDED = "added"
    EXISTS = "exists"
    FULL = "full"


def listed(device: Device) -> dict[str, str | int]:
    """Return ``device`` as ``device list --json`` and ``GET /v1/devices`` show it."""
    return {
        "id": device.id,
        "profile": device.profile,
        "access": device.access.value,
        "serial": device.serial,
        "fingerprint": device.fingerprint,
        "not_after_ms": device.not_after,
        "added_ms": device.added,
    }
