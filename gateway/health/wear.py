"""Flash wear: what the gateway and its broker write to the disk, by day of site time. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from gateway.model.gaps import day_of
from gateway.model.time import SiteTime

DAYS_KEPT: Final = 31


@dataclass(frozen=True, slots=True)
class Wear:
    """``mean_bytes`` is that of the whole days before today, ``days`` how many those are."""

    today_bytes: int
    mean_bytes: int | None
    days: int


@dataclass(slots=True)
class Meter:
    """Adds up what each process says of itself; a new process begins at nothing.

    ``by_day`` is what is stored already, ``owed`` what is not.
    """

    by_day: dict[int, int] = field(default_factory=dict[int, int])
    owed: dict[int, int] = field(default_factory=dict[int, int])
    total_bytes: int = 0
    """Since this process began; never goes back."""
    _last: dict[int, int] = field(default_factory=dict[int, int])

    def read(self, written: Mapping[int, int | None], now: SiteTime) -> None:
        """Note what each process, by its id, has written since it began; None: unknown."""
        for pid, total in written.items():
            if total is not None:
                new = total - self._last.get(pid, 0)
                if new > 0:
                    day = day_of(now)
                    self.owed[day] = self.owed.get(day, 0) + new
                    self.total_bytes += new
                self._last[pid] = total
        for pid in self._last.keys() - written.keys():
            del self._last[pid]

    def begin(self, written: Mapping[int, int | None]) -> None:
        """Note what processes had written before: another meter of theirs counted that."""
        self._last = {pid: total for pid, total in written.items() if total is not None}

    def stored(self, owed: Mapping[int, int]) -> None:
        """Note that ``owed`` lies on the disk now."""
        for day, size in owed.items():
            self.by_day[day] = self.by_day.get(day, 0) + size
            self.owed[day] -= size
            if not self.owed[day]:
                del self.owed[day]

    def wear(self, now: SiteTime) -> Wear:
        """Return what was written today and on an average day before."""
        today = day_of(now)
        oldest = today - DAYS_KEPT
        days = {
            day: self.by_day.get(day, 0) + self.owed.get(day, 0)
            for day in self.by_day.keys() | self.owed.keys()
            if oldest < day <= today
        }
        before = [size for day, size in days.items() if day < today]
        return Wear(days.get(today, 0), round(fmean(before)) if before else None, len(before))
