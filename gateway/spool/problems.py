"""What can be wrong with the queue on the disk, and what to do first."""

from typing import Final

from gateway.model.problem import Problem, Severity

DATA_HELD_BACK: Final = Problem(
    "data-held-back",
    Severity.WARNING,
    "The queue is short of room: devices are asked to keep their results",
    "The cloud was away for long, more comes in than may leave, or other programs fill the "
    "disk. 'tight': devices hold their data. 'full': data is not taken, and the oldest metrics, "
    "then logs, then results make room. Alerts go on as usual.",
    "Bring the connection to the cloud back, or free space on the disk. If both are well, let the "
    "platform engineer raise spool.bytes_max or shorten what the data contracts keep.",
)

ALERTS_HELD_BACK: Final = Problem(
    "alerts-held-back",
    Severity.CRITICAL,
    "There is no room for new alerts: devices keep them",
    "The alerts that wait have filled their share, or other programs have filled the disk. "
    "Nothing that was receipted is lost; new alerts wait on their devices until there is room.",
    "Bring the connection to the cloud back, or free space on the gateway's data disk, now: a "
    "device's own storage ends some time.",
)

DISK_FULL: Final = Problem(
    "disk-full",
    Severity.CRITICAL,
    "The gateway's disk is full",
    "A write found no space, so the gateway gave up the reserve that it keeps for itself and makes "
    "room in its queue. Devices keep what has no receipt; nothing was receipted and then lost.",
    "Find what fills the gateway's data disk and remove it (df, du). The gateway goes on by "
    "itself, and this message goes away once its reserve fits again.",
)

DISK_READ_ONLY: Final = Problem(
    "disk-read-only",
    Severity.CRITICAL,
    "The gateway's disk takes no writes",
    "It is mounted read-only, as Linux does when the file system or the disk has an error. "
    "Devices keep their messages; nothing is receipted.",
    "Read the system's log (dmesg) for the error, check or replace the disk, and mount it for "
    "writing again. The gateway then goes on by itself.",
)

ALL: Final = (DATA_HELD_BACK, ALERTS_HELD_BACK, DISK_FULL, DISK_READ_ONLY)
