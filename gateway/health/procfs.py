"""What the kernel counts of a process: bytes that it sent to the disk (proc(5), ``io``)."""

from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
FIELD: Final = "write_bytes:"


def written_bytes(pid: int, proc: Path = PROC) -> int | None:
    """Return the bytes that process ``pid`` has caused to be written since it began.

    None when it is gone, belongs to another user, or the kernel does not count (a container
    without task I/O accounting). What lies in a file system in memory is not counted.
    """
    try:
        text = (proc / str(pid) / "io").read_text("ascii")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(FIELD):
            return int(line.removeprefix(FIELD))
    return None
