"""The problems that stand and the counters that run. Pure; one instance a process."""

from collections import Counter
from dataclasses import dataclass, field

from gateway.model.problem import Raised
from gateway.model.time import SiteTime

PROBLEMS_MAX = 2_000
"""More subjects than a site has devices; beyond it new ones only add to what stands."""
COUNTERS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Standing:
    """A problem and since when it stands."""

    raised: Raised
    since: SiteTime


@dataclass(frozen=True, slots=True)
class Series:
    """A counter with its labels by name."""

    counter: str
    labels: dict[str, str]


@dataclass(slots=True)
class Register:
    """What ``report``, ``clear`` and ``count`` of the services write to."""

    problems: dict[tuple[str, str], Standing] = field(
        default_factory=dict[tuple[str, str], Standing]
    )
    counters: Counter[str] = field(default_factory=Counter[str])
    series: dict[str, Series] = field(default_factory=dict[str, Series])
    """What each counter of ``counters`` is: its name without labels, and its labels."""

    def report(self, raised: Raised, now: SiteTime) -> bool:
        """Note that a problem stands; return whether it is new. Its first time is kept."""
        key = (raised.problem.code, raised.subject)
        before = self.problems.get(key)
        if before is None and len(self.problems) >= PROBLEMS_MAX:
            return False
        self.problems[key] = Standing(raised, before.since if before else now)
        return before is None

    def clear(self, code: str, subject: str) -> bool:
        """Note that a problem is over; return whether it stood."""
        return self.problems.pop((code, subject), None) is not None

    def count(self, counter: str, amount: int, /, **labels: str) -> None:
        """Add to a counter; its labels become part of its name in sorted order."""
        name = ":".join([counter, *(labels[label] for label in sorted(labels))])
        if name not in self.counters:
            if len(self.counters) >= COUNTERS_MAX:
                return
            self.series[name] = Series(counter, dict(sorted(labels.items())))
        self.counters[name] += amount
