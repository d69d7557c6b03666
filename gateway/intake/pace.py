"""When to commit: alerts at once, data in groups, so that receipts are quick and flash lives.

A device stops at its window, so waiting while it stands still gains nothing: the group
closes as soon as any device has half a window in it. Pure.
"""

from collections import Counter
from dataclasses import dataclass, field

from gateway.intake.limits import IntakeLimits
from gateway.model.identity import DeviceId
from gateway.model.outcome import Stream
from gateway.model.time import Instant


@dataclass(slots=True)
class Group:
    """What waits for the next commit."""

    limits: IntakeLimits
    first_alert: Instant | None = None
    first_data: Instant | None = None
    messages: int = 0
    by_device: Counter[DeviceId] = field(default_factory=Counter[DeviceId])

    def add(self, device: DeviceId, stream: Stream, now: Instant) -> None:
        """Count one message that waits since ``now``."""
        self.messages += 1
        self.by_device[device] += 1
        if stream is Stream.ALERT:
            self.first_alert = now if self.first_alert is None else self.first_alert
        elif self.first_data is None:
            self.first_data = now

    def due_in_s(self, now: Instant) -> float | None:
        """Return the seconds until the commit is due: 0 means now, None that nothing waits."""
        if not self.messages:
            return None
        limits = self.limits
        half_window = max(1, limits.window // 2)
        if self.messages >= limits.commit_messages:
            return 0.0
        if self.by_device and max(self.by_device.values()) >= half_window:
            return 0.0
        due = [
            first + linger_ms / 1000 - now
            for first, linger_ms in (
                (self.first_alert, limits.alert_linger_ms),
                (self.first_data, limits.data_linger_ms),
            )
            if first is not None
        ]
        return max(0.0, min(due))
