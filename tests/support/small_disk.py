"""A small file system of its own, that a test may fill: ``with small_disk(folder, mib=32):``.

Only root may mount; elsewhere the test is skipped, and in the continuous integration, which
has root, that would show as a failure of ``mount``.
"""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 1_048_576


@contextmanager
def small_disk(folder: Path, mib: int) -> Generator[Path]:
    """Mount a tmpfs of ``mib`` MiB at ``folder`` inside the block."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def small_ext4(folder: Path, mib: int) -> Generator[Path]:
    """Mount an ext4 of ``mib`` MiB, on a loop device, at ``folder`` inside the block."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    image = folder.with_suffix(".ext4")
    folder.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(mib * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    made = subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop device here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        image.unlink()


def free_bytes(folder: Path) -> int:
    """How much of the file system nobody has."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(path: Path, *, but_bytes: int = 0) -> None:
    """Let a file at ``path`` take all that is free, as another program's log would."""
    with path.open("ab") as file:
        size = max(0, free_bytes(path.parent) - but_bytes)
        block = bytes(65_536)
        try:
            while size > 0:
                size -= file.write(block[: min(size, len(block))])
                file.flush()
        except OSError:
            pass
