"""How much room the queue has, and what that means for devices. Pure.

Two things bound it: what ``[spool]`` allows, and what the disk really has, of which other
programs take their share. Whichever is nearer decides. The room ends in two zones: the
last bytes are for alerts alone, and the state reserve, a file of its own, is for ``state.db``
and for the writes that make room. Nothing of the queue is ever planned into that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.model.outcome import MessageClass
from gateway.model.room import Room
from gateway.spool.limits import SpoolLimits

ROW_BYTES: Final = 220
"""What a small message takes beside its body: its other columns, four indexes, its digest."""
WAL_BYTES: Final = 4 * 1024 * 1024
"""How far the WAL grows before it is written back (``store/sqlite.py``, CHECKPOINT_BYTES)."""
MARGIN_BYTES: Final = 1_048_576
"""Disk space that nothing is admitted into: sizes are estimated, and a batch that is sealed
grows the file, too. A file that cannot take what its WAL holds is stuck until space returns."""
LARGEST_BYTES: Final = 524_288
"""Room for the largest message: with less than that, there is none. So much is always kept for
alerts while there is data that can make room for them, whatever they have of their reserve."""
RELEASE_PERCENT: Final = 5
"""So much more room than the watermark asks for ends a level: it shall not flutter."""


class Level(Enum):
    """The watermarks. They leave the process, so they are spelled for ever."""

    OK = "ok"
    TIGHT = "tight"  # devices are asked to hold their data
    FULL = "full"  # data is not admitted, and the oldest of it makes room


class Bound(Enum):
    """What the room ends at."""

    BUDGET = "budget"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Usage:
    """What the queue's file holds. ``waiting``: bytes of a class with ``ROW_BYTES`` a message."""

    waiting: Mapping[MessageClass, int]
    used_bytes: int
    reusable_bytes: int
    """Pages inside the file that hold nothing: the queue grows into them first."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What the file system says. ``reserve_bytes`` is how much of the state reserve is laid."""

    free_bytes: int
    file_bytes: int
    wal_bytes: int
    reserve_bytes: int
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Assessment:
    """How the queue stands. Rooms are in bytes, and below 0 where a bound is overstepped."""

    level: Level
    bound: Bound
    data_room: int
    alert_room: int
    capacity: int
    """What the queue could hold in all before data is full, with the bound of now."""
    alerts_held: bool
    """Alerts find no room, and nothing can make it: only a small one may still fit."""

    @property
    def room(self) -> Room:
        """What one transaction may store."""
        paused = self.level is not Level.OK
        data = 0 if self.level is Level.FULL else self.data_room
        return Room(max(0, self.alert_room), max(0, data), pause=paused)


def assess(usage: Usage, disk: Disk, limits: SpoolLimits, before: Level = Level.OK) -> Assessment:
    """Return how the queue stands; ``before`` is its level until now."""
    alerts = usage.waiting.get(MessageClass.ALERT, 0)
    # What alerts have of their reserve already is not kept free for them once more.
    kept_for_alerts = max(LARGEST_BYTES, limits.alert_reserve_bytes - alerts)
    by_budget = limits.bytes_max - usage.used_bytes
    by_disk = _disk_room(usage, disk, limits)
    bound = Bound.BUDGET if by_budget <= by_disk else Bound.DISK
    data_room = min(by_budget, by_disk) - kept_for_alerts
    own_room = limits.alert_bytes_max - alerts
    alert_room = min(by_budget, by_disk, own_room)
    # Where data waits, it makes room for an alert before that is sent a second time.
    may_pay = any(size for one, size in usage.waiting.items() if one is not MessageClass.ALERT)
    capacity = max(0, usage.used_bytes + data_room - LARGEST_BYTES)
    return Assessment(
        level=_level(data_room, capacity, limits.tight_percent, before),
        bound=bound,
        data_room=data_room,
        alert_room=alert_room,
        capacity=capacity,
        alerts_held=(own_room if may_pay else alert_room) < LARGEST_BYTES,
    )


def _disk_room(usage: Usage, disk: Disk, limits: SpoolLimits) -> int:
    """Return by how much the queue may grow before the disk is full."""
    # What is committed to the WAL and not yet in the file will still lengthen the file.
    committed = usage.used_bytes + usage.reusable_bytes - disk.file_bytes
    wal_growth = max(0, WAL_BYTES - disk.wal_bytes)
    unlaid = max(0, limits.state_reserve_bytes - disk.reserve_bytes)
    # The reserve is laid again with space that others free. What is the queue's own stays so:
    # given back to the disk, it would go to the program that fills it.
    free = max(0, disk.free_bytes - unlaid)
    return free - wal_growth - max(0, committed) + usage.reusable_bytes - MARGIN_BYTES


def _level(data_room: int, capacity: int, tight_percent: int, before: Level) -> Level:
    if data_room < LARGEST_BYTES:
        return Level.FULL
    margin = LARGEST_BYTES + capacity * (100 - tight_percent) // 100
    slack = capacity * RELEASE_PERCENT // 100
    if data_room <= margin or (before is not Level.OK and data_room <= margin + slack):
        return Level.TIGHT
    return Level.OK
