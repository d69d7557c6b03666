"""The reserve on a real file system: laid, given up, laid again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.spool.disk import Store
from gateway.spool.limits import MIB

RESERVE = 4 * MIB


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def place(small: Path) -> Store:
    return Store(small / "spool.db", RESERVE)


def fill(folder: Path, size_bytes: int) -> Path:
    path = folder / "other"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
    return path


def test_the_reserve_is_space_that_no_other_program_can_take(place: Store, small: Path):
    assert place.lay()
    assert place.look().reserve_bytes == RESERVE
    with pytest.raises(OSError, match="No space left"):
        fill(small, 5 * MIB)


def test_a_reserve_that_is_given_up_is_free_space_and_is_laid_again(place: Store):
    assert place.lay()
    assert not place.takes_no_writes()
    before = place.look().free_bytes
    assert place.give_up()
    assert place.look().free_bytes == before + RESERVE
    assert not place.give_up()
    assert place.lay()


def test_a_reserve_that_does_not_fit_leaves_nothing_behind(place: Store, small: Path):
    other = fill(small, 4 * MIB)
    assert not place.lay()
    assert not place.reserve.exists()
    other.unlink()
    assert place.lay()


def test_the_reserve_never_takes_the_last_of_the_disk(place: Store, small: Path):
    fill(small, 3 * MIB + 4_096)
    assert place.look().free_bytes > RESERVE
    assert not place.lay()


def test_a_reserve_full_of_holes_or_of_another_size_is_laid_anew(place: Store):
    with place.reserve.open("wb") as file:
        file.truncate(RESERVE)
    assert place.look().reserve_bytes == 0
    assert place.lay()
    assert place.look().reserve_bytes == RESERVE
    grown = Store(place.spool_db, RESERVE + MIB)
    assert grown.lay()
    assert grown.look().reserve_bytes == RESERVE + MIB


def test_a_look_sees_the_queues_file_and_its_wal(place: Store):
    assert (place.look().file_bytes, place.look().wal_bytes) == (0, 0)
    place.spool_db.write_bytes(bytes(10))
    place.spool_db.with_name("spool.db-wal").write_bytes(bytes(20))
    found = place.look()
    assert (found.file_bytes, found.wal_bytes, found.read_only) == (10, 20, False)


def test_a_look_sees_a_disk_that_takes_no_writes(place: Store, small: Path):
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    assert place.look().read_only
    assert place.takes_no_writes()
    assert not place.lay()
    assert not place.give_up()
