"""What a device missed, day by day: the report that answers "did we lose anything?".

Intake counts what it sees of a device's numbers, the fleet how long the device was away;
the spool keeps both by day of site time. It stays on the site.
"""

from dataclasses import dataclass
from typing import Final

from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime

DAY_MS: Final = 86_400_000
DAYS_KEPT: Final = 31
"""A device's days are held so long; the report reaches no further back."""


@dataclass(frozen=True, slots=True)
class DayCount:
    """What one transaction adds to a day of a device.

    ``declared_lost`` is negative where messages came after all that were declared lost.
    """

    device: DeviceId
    received: int = 0
    duplicates: int = 0
    declared_lost: int = 0
    offline_ms: int = 0


def day_of(at: SiteTime) -> int:
    """Return the day of site time, counted from 1970 in UTC."""
    return at // DAY_MS
