"""Which processes live, as the kernel tells it."""

from pathlib import Path


def runs(pid: int) -> bool:
    """Whether ``pid`` runs; a zombie does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] not in "ZX"


def children(pid: int) -> list[int]:
    """The direct children of ``pid``, of all its threads."""
    try:
        listed = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for line in listed for child in line.split()]


def command(pid: int) -> str:
    """The command line of ``pid``; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def resident_bytes(pid: int) -> int:
    """The memory that ``pid`` holds now."""
    text = Path(f"/proc/{pid}/status").read_text()
    return 1024 * next(int(row.split()[1]) for row in text.splitlines() if row.startswith("VmRSS"))
