"""What the audit log records: who did what to whom. The words leave the process, so they stay."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.model.time import SiteTime

GATEWAY: Final = "gateway"
"""The actor where nobody asked: retention, quarantine, housekeeping."""
OPERATOR: Final = "operator"
"""The actor behind a command: whoever may open the control socket or the state folder."""


class Action(Enum):
    """What can be done that somebody may ask about years later."""

    AUDIT_PRUNED = "audit-pruned"
    BACKUP_CREATED = "backup-created"
    BACKUP_RESTORED = "backup-restored"
    BATCH_DROPPED = "batch-dropped"
    BATCH_EXPORTED = "batch-exported"
    BATCH_PARKED = "batch-parked"
    BATCH_RETRIED = "batch-retried"
    CLOCK_CONFIRMED = "clock-confirmed"
    CONTRACT_IN_FORCE = "contract-in-force"
    DEVICE_ADDED = "device-added"
    DEVICE_QUARANTINED = "device-quarantined"
    DEVICE_RELEASED = "device-released"
    KEYS_ABANDONED = "keys-abandoned"
    KEYS_RECOVERED = "keys-recovered"
    KEYS_ROTATED = "keys-rotated"
    QUEUE_SET_ASIDE = "queue-set-aside"
    RESTORE_CONFIRMED = "restore-confirmed"
    RETENTION = "retention"
    UPLINK_RESUMED = "uplink-resumed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. ``action`` is a text: an older program wrote words of its own."""

    number: int
    at: SiteTime
    actor: str
    action: str
    subject: str
    detail: dict[str, int | str]
