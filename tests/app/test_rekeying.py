"""Keys rotate at once, what waits is sealed anew in the background, and a kill loses nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.app import rekeying
from gateway.identity.keyring import YOUNG_MS, KeyringError
from gateway.identity.problems import KEK_ON_DISK
from gateway.intake import deadletters
from gateway.store import lives
from gateway.store.resealing import STEP_ROWS_MAX
from tests.support.vault import KilledError, Vault

POINTS = ("kek-written", "keys-rewrapped", "kek-removed", "resealed", "data-keys-dropped")
FILLED = 300
"""More than one step of the walk in each table with as many rows."""


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with Vault(tmp_path) as opened:
        yield opened


async def walked(vault: Vault) -> None:
    """Let the background job run until it rests."""
    wanted = vault.rekeying.walks + 1
    job = asyncio.create_task(vault.rekeying.run())
    try:
        while not job.done():
            await asyncio.sleep(0)
            if vault.rekeying.walks >= wanted:
                return
        job.result()
    finally:
        job.cancel()
        with suppress(asyncio.CancelledError, KilledError):
            await job


async def test_a_rotation_leaves_one_key_file_and_one_data_key_and_every_value_readable(
    vault: Vault,
):
    await vault.fill(FILLED)
    assert FILLED > STEP_ROWS_MAX
    before, old_files = await vault.contents(), vault.kek_files()
    stored = await vault.rekeying.rotate()
    assert len(vault.kek_files()) == 1
    assert vault.kek_files() != old_files
    await vault.fill(1)  # as devices do while the walk goes on
    await walked(vault)
    assert await vault.key_ids() == {stored.number}
    assert await vault.data_keys() == [stored.number]
    after = await vault.contents()
    for table, said in before.items():
        assert None not in said
        assert after[table][: len(said)] == said


async def test_what_a_rotation_sealed_anew_opens_after_a_restart(vault: Vault):
    await vault.fill(3)
    before = await vault.contents()
    await vault.rekeying.rotate()
    await walked(vault)
    await vault.die()
    await vault.start()
    assert await vault.contents() == before


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_at_any_point_of_a_rotation_loses_no_value(vault: Vault, point: str, nth: int):
    await vault.fill(FILLED)
    before = await vault.contents()
    left = nth

    def cut(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if not left:
                raise KilledError

    vault.point = cut
    with suppress(KilledError):
        await vault.rekeying.rotate()
        await walked(vault)
    await vault.die()
    vault.point = lambda _: None
    await vault.start()
    assert len(vault.kek_files()) == 1
    assert await vault.contents() == before
    await walked(vault)
    assert await vault.contents() == before
    if point != "kek-written" or nth == 2:  # else the rotation has not happened
        assert await vault.key_ids() == {vault.keys.cipher.current}
        assert await vault.data_keys() == [vault.keys.cipher.current]


async def test_a_killed_rotation_that_wrapped_nothing_can_be_asked_for_again(vault: Vault):
    await vault.fill(1)

    def cut(name: str) -> None:
        if name == "kek-written":
            raise KilledError

    vault.point = cut
    with suppress(KilledError):
        await vault.rekeying.rotate()
    vault.point = lambda _: None
    await vault.rekeying.rotate()
    assert (await vault.contents())["dead_letter"] == [b"letter 1"]


async def test_plain_text_of_the_first_schema_is_sealed_and_then_believed_no_more(vault: Vault):
    await vault.plain(3)
    before = await vault.contents()
    await walked(vault)
    assert await vault.key_ids() == {vault.keys.cipher.current}
    assert await vault.contents() == before
    shown = await vault.spool.write(
        lambda db: db.execute("SELECT kind, label, score FROM alert").fetchall()
    )
    assert shown == [("", "", 0.0)] * 3
    await vault.plain(1)  # a forger's row
    assert (await vault.contents())["picture"][-1] is None
    await vault.die()
    await vault.start()
    assert (await vault.contents())["picture"][-1] is None


async def test_no_plain_text_is_left_in_the_file_after_the_walk(vault: Vault):
    """Not in the rows, and not in the space that they took before."""
    await vault.plain(3)
    await walked(vault)
    await vault.die()  # the last connection brings the log into the file
    content = (vault.folder / "spool.db").read_bytes()
    for word in (b"PNG of a scratch", b"defect"):
        assert word not in content
    await vault.start()


async def test_a_value_that_does_not_open_keeps_its_key_and_stops_nothing(vault: Vault):
    await vault.fill(2)
    await vault.spool.write(
        lambda db: db.execute("UPDATE dead_letter SET payload = x'00' WHERE id = 1")
    )
    old = vault.keys.cipher.current
    stored = await vault.rekeying.rotate()
    await walked(vault)
    assert vault.rekeying.walk.unreadable == 1
    assert await vault.key_ids() == {old, stored.number}
    assert await vault.data_keys() == [old, stored.number]
    assert (await vault.contents())["dead_letter"] == [None, b"letter 2"]


async def test_a_key_without_values_is_dropped_and_one_with_values_is_kept(vault: Vault):
    await vault.fill(1)
    used = vault.keys.cipher.current
    for _ in range(2):
        await vault.die()
        vault.clock.wall_ms += YOUNG_MS
        vault.clock._site_ms += YOUNG_MS
        await vault.start()
    assert await vault.data_keys() == [used, used + 1, used + 2]
    await walked(vault)
    assert await vault.data_keys() == [used, used + 2]


async def test_no_key_is_dropped_while_a_queue_that_was_set_aside_lies_there(vault: Vault):
    old = vault.keys.cipher.current
    (vault.folder / "spool.db.aside-1").write_bytes(b"")
    await vault.state.write(lives.end, 1, vault.clock.site(), "spool.db.aside-1")
    vault.clock._elapsed_s += 60
    newer = await vault.rekeying.rotate()
    newest = await vault.rekeying.rotate()
    await walked(vault)
    assert await vault.data_keys() == [old, newest.number], "a key that came later served no such"
    (vault.folder / "spool.db.aside-1").unlink()
    await walked(vault)
    assert await vault.data_keys() == [newest.number]
    assert old < newer.number < newest.number


async def test_every_key_is_kept_while_nobody_knows_how_old_a_queue_is_that_was_set_aside(
    vault: Vault,
):
    old = vault.keys.cipher.current
    (vault.folder / "spool.db.aside-9-wal").write_bytes(b"")
    newest = await vault.rekeying.rotate()
    await walked(vault)
    assert await vault.data_keys() == [old, newest.number]


async def test_a_worn_data_key_is_renewed_without_a_rotation(vault: Vault):
    files, old = vault.kek_files(), vault.keys.cipher.current
    vault.keys.cipher._uses = 2**30
    states = [vault.keys.cipher.worn]
    await walked(vault)
    assert [*states, vault.keys.cipher.worn] == [True, False]
    assert vault.keys.cipher.current == old + 1
    assert vault.kek_files() == files


async def test_a_rotation_is_audited_and_the_key_in_the_file_is_said(vault: Vault):
    stored = await vault.rekeying.rotate()
    rows = await vault.state.write(
        lambda db: db.execute("SELECT actor, action, subject FROM audit").fetchall()
    )
    assert rows == [("operator", "keys-rotated", f"data key {stored.number}")]
    (standing,) = vault.voices.register.problems.values()
    assert standing.raised.problem == KEK_ON_DISK
    assert standing.raised.detail == str(vault.keys.kek_file)


async def test_a_rotation_over_a_damaged_data_key_changes_nothing(vault: Vault):
    await vault.state.write(lambda db: db.execute("UPDATE data_key SET wrapped = x'00'"))
    current = vault.keys.cipher.current
    with pytest.raises(KeyringError, match="it was changed; 'site-gateway keys recover'"):
        await vault.rekeying.rotate()
    assert vault.keys.cipher.current == current
    assert await vault.data_keys() == [current]


async def test_no_key_is_dropped_while_a_backup_holds_them(vault: Vault):
    """Else the copy of the queue could need a key that the later copy of state.db lacks."""
    old = vault.keys.cipher.current
    stored = await vault.rekeying.rotate()
    async with vault.rekeying.held:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):  # it waits for the backup's end, however long
                await walked(vault)
        assert await vault.data_keys() == [old, stored.number]
    await walked(vault)
    assert await vault.data_keys() == [stored.number]


def test_every_table_with_a_key_id_is_walked():
    assert {table.name for table in rekeying.TABLES} == {
        *("message", "alert", "picture", "batch", deadletters.TABLE.name)
    }


async def test_every_column_of_key_ids_belongs_to_a_table_that_is_walked(vault: Vault):
    named = await vault.spool.write(
        lambda db: {
            name
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if any(
                column[1] == "key_id"
                for column in db.execute(f"PRAGMA table_info({name})").fetchall()
            )
        }
    )
    assert named == {table.name for table in rekeying.TABLES}
