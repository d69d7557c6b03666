"""Faults of the class of a power loss: detected, the rest served, the loss named."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.app.queuefile import ASIDE_KEPT, forget
from gateway.store.tide import note_of, read
from tests.support.power_cut import DEVICES, SEALED, Files, after_a_cut, checkpointed, traffic

EVERYTHING = [(f"cam-{number:02d}", seq) for number in range(DEVICES) for seq in range(1, 101)]


async def test_a_start_after_a_kill_finds_everything_and_names_no_loss(tmp_path: Path):
    files = await after_a_cut(tmp_path, traffic(100))
    ready = files.prepare()
    assert (ready.generation, ready.checked) == (1, False)
    assert files.numbers() == EVERYTHING
    assert files.losses() == []


async def test_a_file_that_was_closed_in_order_needs_no_look_at_its_pages(tmp_path: Path):
    files = await after_a_cut(tmp_path, traffic(5), clean=True)
    assert files.prepare().checked


async def test_a_torn_last_page_is_detected_the_rest_served_and_the_loss_named(tmp_path: Path):
    """The file ends in the middle of its last page: SQLite refuses all of it."""
    files = checkpointed(await after_a_cut(tmp_path, traffic(100)))
    whole = files.spool.stat().st_size
    os.truncate(files.spool, whole - files.page_bytes() // 2)
    assert files.prepare().generation == 2
    ((generation, aside, loss),) = files.losses()
    assert (generation, aside) == (1, "spool.db.aside-1")
    assert "its last page is torn" in loss
    assert (files.folder / aside).exists()
    kept = files.numbers()
    assert set(kept) < set(EVERYTHING) or kept == EVERYTHING
    assert len(kept) > 390
    lost = len(EVERYTHING) - len(kept)
    assert (f"{lost} of class log" if lost else "none of them is lost") in loss
    assert len(files.numbers("alert")) == DEVICES
    assert files.counted()


async def test_a_truncated_write_ahead_log_is_noticed_and_the_loss_counted(tmp_path: Path):
    """SQLite drops what is cut off in silence; the note beside the file does not."""
    files = await after_a_cut(tmp_path, traffic(50), traffic(50, first=51))
    frames = files.wal.stat().st_size
    os.truncate(files.wal, frames * 2 // 3)
    assert files.prepare().generation == 2
    first_half = [one for one in EVERYTHING if one[1] <= 50]
    assert files.numbers() == first_half
    ((generation, aside, loss),) = files.losses()
    assert (generation, aside) == (1, "")
    assert f"{50 * DEVICES} receipted messages are lost" in loss
    assert files.counted()


async def test_row_numbers_that_were_lost_are_never_given_out_again(tmp_path: Path):
    files = await after_a_cut(tmp_path, traffic(50), traffic(50, first=51))
    given = read(files.spool)
    assert given is not None
    files.wal.unlink()
    files.prepare()
    ((number,),) = files.rows("SELECT seq FROM sqlite_sequence WHERE name = 'message'")
    assert number == given.issued["message"] == 101 * DEVICES


async def test_a_write_ahead_log_torn_in_its_last_frame_loses_that_commit_and_says_so(
    tmp_path: Path,
):
    files = await after_a_cut(tmp_path, traffic(50), traffic(50, first=51))
    with files.wal.open("r+b") as log:
        log.seek(-300, 2)
        log.write(b"\xa5" * 300)
    files.prepare()
    assert files.numbers() == [one for one in EVERYTHING if one[1] <= 50]
    assert f"{50 * DEVICES} receipted messages are lost" in files.losses()[0][2]


async def test_a_missing_file_is_noticed_and_what_waited_in_it_is_named(tmp_path: Path):
    files = checkpointed(await after_a_cut(tmp_path, traffic(100)))
    files.spool.unlink()
    assert files.prepare().generation == 2
    assert files.losses() == [
        (1, "", f"spool.db was gone: {101 * DEVICES} messages that waited in it are lost")
    ]
    assert files.numbers() == []
    assert files.rows("SELECT generation FROM life") == [(2,)]


async def test_a_log_without_its_file_is_set_aside_and_never_played_into_a_new_one(tmp_path: Path):
    files = await after_a_cut(tmp_path, traffic(100))
    files.spool.unlink()
    files.prepare()
    assert (files.folder / "spool.db.aside-1-wal").exists()
    assert files.numbers() == []
    assert len(files.losses()) == 1


async def test_a_zeroed_page_in_the_middle_costs_the_rows_of_that_page_alone(tmp_path: Path):
    files = checkpointed(await after_a_cut(tmp_path, traffic(100)))
    leaves = files.leaves("message")
    files.overwrite(leaves[len(leaves) // 3], bytes(4_096))
    # A start does not read every page; whoever reads this one marks the file's life as over.
    with closing(sqlite3.connect(files.state)) as state, state:
        state.execute("UPDATE spool_file SET ended_ms = 5, set_aside = 'spool.db.aside-1'")
    files.prepare()
    kept = files.numbers()
    assert set(kept) < set(EVERYTHING)
    lost = len(EVERYTHING) - len(kept)
    assert 1 <= lost <= 8
    assert f"lost: {lost} of class log; unreadable places: 1 in message" in files.losses()[0][2]
    assert len(files.numbers("alert")) == DEVICES
    assert files.counted()
    named = files.rows("SELECT device, first_seq FROM ended WHERE outcome = 'lost'")
    assert sorted(kept + named) == EVERYTHING  # each has one outcome, the lost ones too
    assert files.rows("SELECT class, messages FROM tally WHERE outcome = 'lost'") == [("log", lost)]
    assert files.rows("SELECT class, reason, messages FROM dropped") == [
        ("log", "queue-damaged", lost)
    ]


@pytest.mark.parametrize("table", ["message", "seen", "origin", "alert", "batch", "ended"])
async def test_a_lost_root_page_of_one_table_leaves_the_others_whole(tmp_path: Path, table: str):
    files = checkpointed(await after_a_cut(tmp_path, traffic(100), sealed=40))
    files.overwrite(files.root(table), bytes(4_096))
    with closing(sqlite3.connect(files.state)) as state, state:
        state.execute("UPDATE spool_file SET ended_ms = 5, set_aside = 'spool.db.aside-1'")
    files.prepare()
    assert files.counted()
    assert files.rows("PRAGMA foreign_key_check") == []
    assert files.numbers() == ([] if table == "message" else EVERYTHING)
    sealed = files.rows("SELECT count(*) FROM message WHERE batch = ?", SEALED)
    assert sealed == [(0 if table in {"batch", "message"} else 40,)]
    loss = files.losses()[0][2]
    assert ("40 messages lost their sealed batch" in loss) == (table == "batch")
    assert ("4 device epochs lost marks" in loss) == (table == "origin")
    assert ("lost: 4 of class alert, 400 of class log" in loss) == (table == "message")


async def test_a_lost_first_page_is_lent_by_a_fresh_file(tmp_path: Path):
    """Page 1 says where everything lies; without it SQLite sees no database at all."""
    files = checkpointed(await after_a_cut(tmp_path, traffic(100)))
    files.overwrite(1, bytes(4_096))
    files.prepare()
    assert files.numbers() == EVERYTHING
    assert "not a database" in files.losses()[0][2]
    assert "none of them is lost" in files.losses()[0][2]
    assert files.counted()


async def test_a_file_of_rubbish_is_set_aside_and_what_waited_is_named(tmp_path: Path):
    files = checkpointed(await after_a_cut(tmp_path, traffic(100)))
    files.spool.write_bytes(b"\xa5" * files.spool.stat().st_size)
    files.prepare()
    assert files.numbers() == []
    assert "404 messages that waited are lost" in files.losses()[0][2]


async def test_a_stale_index_of_the_log_is_built_anew(tmp_path: Path):
    """-shm is no data: whatever lies there after a power cut means nothing."""
    files = await after_a_cut(tmp_path, traffic(100))
    files.folder.joinpath("spool.db-shm").write_bytes(b"\xa5" * 32_768)
    files.prepare()
    assert files.numbers() == EVERYTHING
    assert files.losses() == []


async def test_an_older_copy_put_in_the_files_place_begins_a_new_life(tmp_path: Path):
    files = await after_a_cut(tmp_path, traffic(10))
    shutil.copytree(files.folder, tmp_path / "older")
    for _ in range(2):
        files.spool.write_bytes(b"\xa5" * 4_096)
        files.prepare()
    for path in (tmp_path / "older").glob("spool.db*"):
        shutil.copy(path, files.folder / path.name)
    assert files.prepare().generation == 4
    assert "is of life 1, and life 3 was expected" in files.losses()[-1][2]


@pytest.mark.parametrize("done", ["noted", "moved", "filled", "named"])
async def test_a_start_cut_while_it_sets_a_file_aside_is_finished_by_the_next(
    tmp_path: Path, done: str
):
    """The steps of ``_replaced``, each as the last one before the power fails."""
    files = checkpointed(await after_a_cut(tmp_path, traffic(100)))
    leaves = files.leaves("message")
    files.overwrite(leaves[len(leaves) // 2], bytes(4_096))
    with closing(sqlite3.connect(files.state)) as state, state:
        state.execute("UPDATE spool_file SET ended_ms = 5, set_aside = 'spool.db.aside-1'")
    if done != "noted":
        files.spool.replace(files.folder / "spool.db.aside-1")
    if done == "filled":
        (files.folder / "spool.db.new").write_bytes(b"half of it")
    if done == "named":
        shutil.copytree(files.folder, tmp_path / "again")
        Files(tmp_path / "again").prepare()
        shutil.copy(tmp_path / "again" / "spool.db", files.spool)
    assert files.prepare().generation == 2
    assert 390 < len(files.numbers()) < 400
    assert files.counted()
    assert files.rows("SELECT generation, ended_ms IS NULL FROM spool_file", file="state.db") == [
        (1, 0),
        (2, 1),
    ]
    assert not (files.folder / "spool.db.new").exists()


async def test_only_the_newest_files_that_were_set_aside_are_kept(tmp_path: Path):
    files = await after_a_cut(tmp_path, traffic(10))
    for _ in range(ASIDE_KEPT + 3):
        files.spool.write_bytes(b"\xa5" * 4_096)
        files.prepare()
    assert sorted(path.name for path in files.folder.glob("spool.db.aside-*")) == [
        f"spool.db.aside-{generation}" for generation in (4, 5)
    ]
    assert len(files.losses()) == 5


async def test_a_device_whose_marks_are_lost_is_told_to_number_anew(tmp_path: Path):
    """A guessed mark would free what was never stored, or store twice; a new epoch does neither."""
    files = checkpointed(await after_a_cut(tmp_path, traffic(100)))
    files.overwrite(files.root("origin"), bytes(4_096))
    files.spool.with_name("spool.db").touch()
    with closing(sqlite3.connect(files.state)) as state, state:
        state.execute("UPDATE spool_file SET ended_ms = 5, set_aside = 'spool.db.aside-1'")
    files.prepare()
    assert files.rows("SELECT DISTINCT state FROM origin") == [("conflicted",)]
    assert files.rows("SELECT count(*) FROM origin") == [(DEVICES,)]


async def test_a_note_that_is_torn_accuses_nobody(tmp_path: Path):
    files = await after_a_cut(tmp_path, traffic(10), traffic(10, first=11))
    note_of(files.spool).write_bytes(b'{"generation":1,"issued":{"message":999}}\n00000000')
    assert files.prepare().generation == 1
    assert files.losses() == []


async def test_a_new_site_begins_with_its_first_life(tmp_path: Path):
    files = Files(tmp_path)
    assert (files.prepare().generation, files.prepare().generation) == (1, 1)
    assert files.losses() == []


def test_what_was_set_aside_is_deleted_when_nobody_is_told_of_it_any_more(tmp_path: Path):
    """Retention does not reach into it."""
    for name in ("aside-1", "aside-1-wal", "aside-2", "aside-12", "aside-2-wal", "tide"):
        (tmp_path / f"spool.db.{name}").touch()
    forget(tmp_path / "spool.db", {2})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "spool.db.aside-2",
        "spool.db.aside-2-wal",
        "spool.db.tide",
    ]
