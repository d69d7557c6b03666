"""How long each device was away, as it is known here. Pure; bounded by the inventory.

A device is away from its last will (or its own word) until its next status. Who was away
before the broker's link went down counts as away until it is heard again; while the gateway
itself is down nobody counts, so the report says less rather than more.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.model.gaps import DayCount
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime


@dataclass(slots=True)
class Absences:
    """Who is away since when, and what has not been written down yet."""

    since: dict[DeviceId, SiteTime] = field(default_factory=dict[DeviceId, SiteTime])
    """The part of an absence that ``take`` has given out already is no longer in it."""
    _owed_ms: dict[DeviceId, int] = field(default_factory=dict[DeviceId, int])

    def gone(self, device: DeviceId, now: SiteTime) -> None:
        """Note that ``device`` is away; said twice, the first time counts."""
        self.since.setdefault(device, now)

    def back(self, device: DeviceId, now: SiteTime) -> None:
        """Note that ``device`` is there."""
        began = self.since.pop(device, None)
        if began is not None:
            self._owe(device, now - began)

    def take(self, now: SiteTime) -> list[DayCount]:
        """Return what was not given out before; who is still away goes on being so."""
        for device, began in self.since.items():
            self._owe(device, now - began)
            self.since[device] = now
        counts = [DayCount(device, offline_ms=owed) for device, owed in self._owed_ms.items()]
        self._owed_ms.clear()
        return counts

    def owe(self, counts: Iterable[DayCount]) -> None:
        """Take back what was given out and could not be written down."""
        for one in counts:
            self._owe(one.device, one.offline_ms)

    def _owe(self, device: DeviceId, passed_ms: int) -> None:
        if passed_ms > 0:
            self._owed_ms[device] = self._owed_ms.get(device, 0) + passed_ms
