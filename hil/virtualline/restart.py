"""When is a program that ended started again? Pure.

Soon, so that a kill costs less than a second; later and later when it ends at once
again and again, because then something is wrong that a restart does not mend.
"""

import signal
from dataclasses import dataclass
from typing import Final

FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 10.0
SETTLED_AFTER_S: Final = 5.0
"""A program that lived so long has started well: its end is a new story."""


@dataclass(frozen=True, slots=True)
class End:
    """How a program ended: ``code`` as ``subprocess`` tells it, negative for a signal."""

    code: int
    lived_s: float

    @property
    def at_once(self) -> bool:
        """Whether it failed to start. One that was killed from outside did not."""
        return self.lived_s < SETTLED_AFTER_S and self.code not in KILLED


KILLED: Final = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Restart:
    """Start again after ``wait_s``. ``failures`` ends at once in a row led to it."""

    wait_s: float
    failures: int


def after(end: End, failures: int) -> Restart:
    """Return what follows ``end``, when ``failures`` ends at once came directly before it."""
    if not end.at_once:
        return Restart(FIRST_WAIT_S, 0)
    wait_s = FIRST_WAIT_S * 2.0 ** min(failures, 16)
    return Restart(min(wait_s, LONGEST_WAIT_S), failures + 1)


def sentence(end: End) -> str:
    """Return how the program ended, for a person."""
    if end.code < 0:
        how = f"was ended by {signal.Signals(-end.code).name}"
    else:
        how = f"ended with exit code {end.code}"
    return f"{how} after {end.lived_s:.1f} s"
