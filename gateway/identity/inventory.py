"""A device as the inventory knows it. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

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


# From the least to the most that is forbidden.
_STRICTNESS: Final = (
    Access.ADMITTED,
    Access.PROVISIONAL,
    Access.QUARANTINED,
    Access.REVOKED,
)


def stricter(one: Access, other: Access) -> Access:
    """Return which of two access states forbids more."""
    return max(one, other, key=_STRICTNESS.index)


UNCONFIRMED: Final = (
    "this site was restored from a backup, and ids that were issued after it are not known "
    "here: check what changed since, then 'site-gateway backup confirm' (docs/backup.md)"
)


class Addition(Enum):
    """What became of the wish to add a device."""

    ADDED = "added"
    EXISTS = "exists"
    FULL = "full"
    RESTORED = "restored"
    """The site was restored and nobody has confirmed it: ids issued since are not known here."""


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
