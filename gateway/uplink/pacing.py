"""How fast bytes may leave: a debt that the line pays off at its rate.

A batch may be sent as soon as nothing is owed; then its bytes are owed. Over any time the
line so carries ``bytes_per_s``, and one batch more at its beginning. A batch of any size
fits, since it is sent whole: there is no bucket that it could exceed.

Alerts do not wait. Their bytes are owed like others', but never beyond ``ALERTS_OWE_MAX_S``
seconds: however many there are, other data waits no longer than that for its turn.
"""

from dataclasses import dataclass
from typing import Final

from gateway.model.time import Instant

ALERTS_OWE_MAX_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Debt:
    """``owed_bytes`` at the instant ``at``."""

    at: Instant
    owed_bytes: float = 0.0

    def paid(self, bytes_per_s: int, now: Instant) -> "Debt":
        """Return the debt at ``now``, after the line has carried ``bytes_per_s`` since.

        ``bytes_per_s`` 0 is a line without limit: nothing is owed on it.
        """
        now = max(self.at, now)  # a clock that steps back must not pay
        if bytes_per_s == 0:
            return Debt(now)
        return Debt(now, max(0.0, self.owed_bytes - (now - self.at) * bytes_per_s))

    def spent(self, size_bytes: int, bytes_per_s: int, *, alert: bool) -> "Debt":
        """Return the debt once ``size_bytes`` were sent at ``at``."""
        if bytes_per_s == 0:
            return self
        owed = self.owed_bytes + size_bytes
        if alert:
            owed = min(owed, max(self.owed_bytes, ALERTS_OWE_MAX_S * bytes_per_s))
        return Debt(self.at, owed)

    def wait_s(self, bytes_per_s: int) -> float:
        """Return the seconds from ``at`` until nothing is owed."""
        return self.owed_bytes / bytes_per_s if bytes_per_s else 0.0
