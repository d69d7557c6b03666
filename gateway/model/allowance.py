"""How many lines somebody may cause in the log: a burst, then a trickle. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from gateway.model.time import Instant

LINES_AT_ONCE: Final = 30
LINES_A_SECOND: Final = 0.5


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many lines may still be logged: a burst, then a trickle; ``silent`` were not."""

    at: Instant
    lines: float = LINES_AT_ONCE
    silent: int = 0

    def spend(self, now: Instant) -> "tuple[Allowance, int | None]":
        """Return the allowance after one line, and how many went unlogged before it.

        None in place of that number: this line is not logged either.
        """
        lines = min(LINES_AT_ONCE, self.lines + max(0.0, now - self.at) * LINES_A_SECOND)
        at = Instant(max(self.at, now))
        if lines < 1:
            return replace(self, at=at, lines=lines, silent=self.silent + 1), None
        return Allowance(at, lines - 1), self.silent
