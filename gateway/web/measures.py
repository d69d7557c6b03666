"""Numbers, times and lists as people read them. The units are the only words here."""

from datetime import UTC, datetime
from typing import Final

DAY_MS: Final = 86_400_000
KILO: Final = 1000

AGO: Final[tuple[tuple[int, int, str], ...]] = (
    # below this many seconds, counted in this many seconds, said like this;
    # the page's script is handed this table, so both say the same
    (3, 1, "just now"),
    (60, 1, "{n} s ago"),
    (3_600, 60, "{n} min ago"),
    (172_800, 3_600, "{n} h ago"),
    (864_000_000, 86_400, "{n} days ago"),
)


def ago(seconds: float) -> str:
    """Return how long ago something was; a time to come counts as now."""
    whole = max(0, int(seconds))
    _, unit, text = next((row for row in AGO if whole < row[0]), AGO[-1])
    return text.format(n=whole // unit)


def span(seconds: float) -> str:
    """Return a length of time in its largest fitting unit."""
    whole = max(0, int(seconds))
    for below, unit, name in ((60, 1, "s"), (3_600, 60, "min"), (172_800, 3_600, "h")):
        if whole < below:
            return f"{whole // unit} {name}"
    return f"{whole // 86_400} days"


def span_exactly(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        parts = ((days, "day" if days == 1 else "days"), (hours, "h"))
    elif hours:
        parts = ((hours, "h"), (minutes, "min"))
    else:
        return f"{minutes} min" if minutes else f"{whole} s"
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def size(count_bytes: float) -> str:
    """Return a size in bytes with at most one decimal, in powers of 1,000."""
    if count_bytes < KILO:
        return f"{count_bytes:.0f} B"
    value = count_bytes / KILO
    for unit in ("KB", "MB"):
        if value < KILO:
            return f"{value:.1f} {unit}"
        value /= KILO
    return f"{value:,.1f} GB"


def about(count_bytes: float) -> str:
    """Return a size in its first two digits: it changes seldom, however fast it grows."""
    whole = max(0, int(count_bytes))
    step = 10 ** max(0, len(str(whole)) - 2)
    return size(whole // step * step)


def plural(count: int, one: str, many: str) -> str:
    """Return the count with thousands apart, and the noun that goes with it."""
    return f"{count:,} {one if count == 1 else many}"


def names(subjects: list[str], named_max: int) -> str:
    """Return a readable list; those beyond ``named_max`` are counted."""
    if len(subjects) > named_max:
        return f"{', '.join(subjects[:named_max])} and {len(subjects) - named_max:,} more"
    if len(subjects) > 1:
        return f"{', '.join(subjects[:-1])} and {subjects[-1]}"
    return subjects[0] if subjects else ""


def clipped(text: str, chars_max: int) -> str:
    """Return ``text`` on one line, cut with an ellipsis after ``chars_max`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= chars_max else f"{line[: chars_max - 1]}…"


def clock_time(ms: int, now_ms: int) -> str:
    """Return the time of day, with the date where it is not the day of ``now_ms``.

    In UTC, and it says so: the page shows the viewer's own time once its script runs.
    """
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    if ms // DAY_MS == now_ms // DAY_MS:
        return f"{moment:%H:%M} UTC"
    return f"{moment.day} {moment:%b, %H:%M} UTC"


def iso(ms: int) -> str:
    """Return the moment as the ``datetime`` attribute wants it (RFC 3339, UTC)."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}Z"
