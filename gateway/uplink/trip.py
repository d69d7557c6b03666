"""When so much is refused that the fault must be here or in the cloud, nothing more is parked.

Parking takes one bad message out of the way of all others. If everything is refused, it
would quietly set the whole queue aside. So it stops, what is refused waits with the rest, and
a person decides. Refusals of parts of a batch count like those of whole ones: halving a batch
that is refused at every size ends before its single messages are parked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.model.time import SiteTime
from gateway.uplink.limits import UplinkLimits

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Refusals:
    """What was refused lately. ``why`` is empty until it is too much, and then stays."""

    in_a_row: int = 0
    parked_at: tuple[SiteTime, ...] = ()
    why: str = ""

    @property
    def tripped(self) -> bool:
        """Whether nothing more may be parked until a person says so."""
        return bool(self.why)

    def refused(self, limits: UplinkLimits) -> "Refusals":
        """Note a definite refusal."""
        in_a_row = self.in_a_row + 1
        why = self.why
        if in_a_row > limits.refused_in_a_row_max:
            why = why or f"{in_a_row} refusals in a row and nothing taken between them"
        return replace(self, in_a_row=in_a_row, why=why)

    def taken(self) -> "Refusals":
        """Note that the cloud took a batch."""
        return replace(self, in_a_row=0)

    def parked(self, at: Sequence[SiteTime], limits: UplinkLimits, now: SiteTime) -> "Refusals":
        """Note that batches were parked at these times."""
        recent = tuple(time for time in (*self.parked_at, *at) if time > now - HOUR_MS)
        recent = recent[-limits.parked_an_hour_max - 1 :]
        why = self.why
        if len(recent) > limits.parked_an_hour_max:
            why = why or f"more than {limits.parked_an_hour_max} batches parked within an hour"
        return replace(self, parked_at=recent, why=why)
