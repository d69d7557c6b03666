"""The log of a child: appended by the child, bounded here, its end read when it fails."""

import shutil
from pathlib import Path
from typing import BinaryIO, Final

LOG_MAX_BYTES: Final = 10 << 20
TAIL_MAX_BYTES: Final = 64 << 10


def opened(path: Path) -> BinaryIO:
    """Open ``path`` for appending, after it was rolled over where it was too large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    roll(path)
    return path.open("ab", buffering=0)


def roll(path: Path, max_bytes: int = LOG_MAX_BYTES) -> bool:
    """Move what ``path`` holds to ``path.1`` when it is over ``max_bytes``; tell if it was.

    The file stays the same one, because a child may hold it open; since children append,
    they go on at its new end. What is written in the instant between is lost.
    """
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    with path.open("r+b") as file:
        file.truncate(0)
    return True


def discard(path: Path) -> None:
    """Remove a log that nobody holds open."""
    path.unlink(missing_ok=True)


def tail(path: Path, lines: int) -> list[str]:
    """Return at most the last ``lines`` lines; a missing log has none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_MAX_BYTES))
            text = file.read(TAIL_MAX_BYTES)
    except FileNotFoundError:
        return []
    return text.decode(errors="replace").splitlines()[-lines:]
