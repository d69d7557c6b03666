"""What may leave at which time of the day, and how fast: ``[[uplink.window]]``.

Times are the site's own (``[site] timezone``). The first window that holds the minute is in
force; outside of all of them everything may leave at ``[uplink] bytes_per_s``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from gateway.model.outcome import MessageClass

MINUTE: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
ALL: Final = ("alert", "error-log", "result", "log")

Minute = Annotated[str, msgspec.Meta(pattern=MINUTE)]
ClassName = Literal["alert", "error-log", "result", "log"]


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"begin": "from"}):
    """One part of the day."""

    begin: Minute
    """Its first minute, ``HH:MM`` by the clock on the wall of the site."""
    to: Minute
    """The minute with which it has ended; before ``from``, it lies across midnight."""
    bytes_per_s: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0
    """Bytes a second in it; 0: no limit."""
    classes: Annotated[tuple[ClassName, ...], msgspec.Meta(max_length=4)] = ALL
    """What may leave in it. Alerts always may, named or not."""

    def __post_init__(self) -> None:
        """Require that it holds a minute.

        Raises:
            ValueError: it ends as it begins.
        """
        if self.begin == self.to:
            msg = f"from and to are both {self.to}: such a window holds no minute"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds at one minute."""

    bytes_per_s: int
    classes: frozenset[MessageClass]


def in_force(windows: Sequence[Window], bytes_per_s: int, minute: int) -> Rule:
    """Return the rule at ``minute`` of the site's day, 0 to 1439."""
    for window in windows:
        begin, end = _minute(window.begin), _minute(window.to)
        across = end < begin
        if (begin <= minute or minute < end) if across else (begin <= minute < end):
            named = frozenset(MessageClass(name) for name in window.classes)
            return Rule(window.bytes_per_s, named | {MessageClass.ALERT})
    return Rule(bytes_per_s, frozenset(MessageClass(name) for name in ALL))


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return 60 * int(hours) + int(minutes)
