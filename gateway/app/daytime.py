"""The time of day at the site: what hangs on the wall there, by the site's own time."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.model.time import Clock


def minute_of(clock: Clock, zone: str) -> Callable[[], int]:
    """Return a function that gives the minute of the site's day, 0 to 1439.

    By site time, so a wall clock that jumps opens no window. Where summer time ends, an hour
    comes twice, and a window in it is in force twice; where it begins, one is left out.
    """
    rules = ZoneInfo(zone)

    def minute() -> int:
        moment = datetime.fromtimestamp(clock.site() / 1000, rules)
        return 60 * moment.hour + moment.minute

    return minute
