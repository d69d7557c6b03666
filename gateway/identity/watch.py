"""Which of the identity problems stand now. Pure.

Devices share one entry: a fleet that was enrolled on one day expires on one day, and
five hundred equal lines would hide everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.identity import problems
from gateway.identity.limits import (
    DAY_MS,
    DEVICE_WARNING_DAYS,
    SERVER_WARNING_DAYS,
    SITE_CA_WARNING_DAYS,
)
from gateway.model.problem import Raised
from gateway.model.time import UnixMs


@dataclass(frozen=True, slots=True)
class Facts:
    """What lies on the disk and in the inventory."""

    site_ca_not_after: UnixMs
    server_not_after: UnixMs
    devices: Sequence[tuple[str, UnixMs]]
    """Device ids and the end of their certificates; revoked ones left out."""
    recovery_key_file: str | None
    """Where the private recovery key lies on this machine, or None."""


def standing(facts: Facts, now: UnixMs) -> tuple[Raised, ...]:
    """Return the problems that stand at ``now``, at most one a subject."""
    found: list[Raised] = []
    for subject, not_after, warning_days in (
        ("site CA", facts.site_ca_not_after, SITE_CA_WARNING_DAYS),
        ("server certificate", facts.server_not_after, SERVER_WARNING_DAYS),
    ):
        if not_after - now < warning_days * DAY_MS:
            found.append(_expires(subject, _moment(not_after, now)))
    due = sorted(
        (not_after, device)
        for device, not_after in facts.devices
        if not_after - now < DEVICE_WARNING_DAYS * DAY_MS
    )
    if due:
        not_after, first = due[0]
        found.append(
            _expires("devices", f"{len(due)} of them; first {first}, {_moment(not_after, now)}")
        )
    if facts.recovery_key_file is not None:
        found.append(Raised(problems.RECOVERY_KEY_ON_SITE, "recovery key", facts.recovery_key_file))
    return tuple(found)


def _expires(subject: str, detail: str) -> Raised:
    return Raised(problems.CERTIFICATE_EXPIRES_SOON, subject, detail)


def _moment(not_after: UnixMs, now: UnixMs) -> str:
    day = datetime.fromtimestamp(not_after / 1000, UTC).date().isoformat()
    return f"expired on {day}" if not_after <= now else f"expires on {day}"
