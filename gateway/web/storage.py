"""From the status document to what the page says about the disk and about gaps. Pure.

As in ``view``: no text here changes by itself, and sizes are told in two digits, so that a
card is drawn again only when a person would see a difference.
"""

from dataclasses import dataclass

from gateway.web import words
from gateway.web.limits import GAPS_SHOWN_MAX, TEXT_MAX_CHARS
from gateway.web.measures import clipped
from gateway.web.status import GapsStatus, Status


@dataclass(frozen=True, slots=True)
class StorageCard:
    """A few sentences: room, horizon, wear, and who talks most if somebody does."""

    level: str
    """``ok``, ``tight`` or ``full``."""
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GapLine:
    """What one device missed."""

    key: str
    device: str
    text: str


def storage(status: Status) -> StorageCard:
    """Return what the page says about the disk."""
    lines: list[str] = []
    if status.room is not None:
        lines.append(words.room(status.room))
    lines += [words.survives(status.horizon), words.wear(status.wear)]
    loudest = status.traffic[0] if len(status.devices) > 1 and status.traffic else None
    if (
        loudest is not None
        and loudest.percent >= words.TRAFFIC_TOLD_PERCENT
        and loudest.messages >= words.TRAFFIC_TOLD_MESSAGES
    ):
        lines.append(clipped(words.traffic(loudest), TEXT_MAX_CHARS))
    return StorageCard("ok" if status.room is None else status.room.level, tuple(lines))


def gap_lines(gaps: GapsStatus) -> tuple[GapLine, ...]:
    """Return the worst devices."""
    return tuple(
        GapLine(f"gap-{one.device}", one.device, words.gap(one))
        for one in gaps.devices[:GAPS_SHOWN_MAX]
    )
