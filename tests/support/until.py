"""Wait for a state that can be seen, never for time to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

LIMIT_S = 30.0
PERIOD_S = 0.02

R = TypeVar("R")


def until(see: Callable[[], R], what: str, *, within_s: float = LIMIT_S) -> R:
    """Return what ``see`` returns as soon as it is true; fail with ``what`` and the last look."""
    limit = time.monotonic() + within_s
    while True:
        seen = see()
        if seen:
            return seen
        assert time.monotonic() < limit, f"not within {within_s:g} s: {what}; last seen: {seen!r}"
        time.sleep(PERIOD_S)
