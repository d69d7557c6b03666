"""A backup is whole or none, leaves nothing behind, and keeps out of the way."""

import asyncio
import io
import shutil
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import IO, cast

import msgspec
import pytest

from gateway.app.backup import SPARE_BYTES, Backups, Manifest
from gateway.config import load
from gateway.identity import keys, recovery
from gateway.identity.archive import PURPOSE, Opened, read_header
from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.store import copying
from tests.support.vault import RECOVERY, Vault

TRIED_S = 0.5
"""Long enough for what must not happen."""


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    (tmp_path / "state" / "pki").mkdir(parents=True)
    (tmp_path / "state" / "pki" / "recovery-public.pem").write_bytes(
        keys.public_pem(RECOVERY.public_key())
    )
    (tmp_path / "gateway.toml").write_text(
        '[site]\nname = "plant-a"\naddresses = ["127.0.0.1"]\nstate_dir = "state"\n'
        'runtime_dir = "run"\nprofiles_dir = "profiles"\n'
    )
    async with Vault(tmp_path / "state") as opened:
        await opened.fill(3)
        yield opened


@pytest.fixture
def backups(vault: Vault, tmp_path: Path) -> Backups:
    return Backups(load(tmp_path / "gateway.toml"), vault.rekeying, vault.state, vault.clock)


async def made(backups: Backups, config: Path) -> bytes:
    async with aclosing(backups.create(config)) as pieces:
        return b"".join([piece async for piece in pieces])


def members(backup: bytes) -> dict[str, bytes]:
    file = io.BytesIO(backup)
    header, line = read_header(file.read)
    secret = recovery.unwrap(header.key, RECOVERY, purpose=PURPOSE, site="plant-a")
    opened = Opened(file.read, line, secret)
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=cast("IO[bytes]", opened), mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            found[member.name] = content.read()
    opened.finish()
    return found


def left(vault: Vault) -> list[Path]:
    return list(vault.folder.glob(".backup-*"))


async def actions(vault: Vault) -> list[str]:
    return await vault.state.write(
        lambda db: [action for (action,) in db.execute("SELECT action FROM audit")]
    )


async def test_the_configuration_comes_first_and_the_manifest_tells_of_all(
    vault: Vault, backups: Backups, tmp_path: Path
):
    found = members(await made(backups, tmp_path / "gateway.toml"))
    assert list(found) == [
        *("gateway.toml", "state/spool.db", "state/state.db"),
        *("state/pki/recovery-public.pem", "manifest.json"),
    ]
    manifest = msgspec.json.decode(found["manifest.json"], type=Manifest)
    assert [one.name for one in manifest.members] == list(found)[:-1]
    assert [one.bytes for one in manifest.members] == [len(one) for one in found.values()][:-1]
    assert left(vault) == []
    assert await actions(vault) == ["backup-created"]


async def test_every_key_that_the_copied_queue_needs_stands_in_the_copied_state(
    vault: Vault, backups: Backups, tmp_path: Path
):
    """Somebody rotates the keys, and all is sealed anew, between the copies of the two files."""
    loop, tried = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    async def rotated() -> None:
        await vault.rekeying.rotate()
        job = asyncio.create_task(vault.rekeying.run())
        await asyncio.wait({job}, timeout=TRIED_S)
        job.cancel()

    async def between() -> None:
        tried.append(asyncio.create_task(rotated()))
        await asyncio.wait(tried, timeout=TRIED_S)

    def copy(source: Path, target: Path, going_on: Callable[[], bool]) -> None:
        if source.name == "state.db":
            asyncio.run_coroutine_threadsafe(between(), loop).result()
        copying.copy(source, target, going_on)

    backups.copy = copy
    copies = tmp_path / "copies"
    shutil.copytree(vault.folder / "keys", copies / "keys")
    found = members(await made(backups, tmp_path / "gateway.toml"))
    await asyncio.wait(tried)
    for name in ("spool.db", "state.db"):
        (copies / name).write_bytes(found[f"state/{name}"])
    async with Vault(copies) as copied:
        for said in (await copied.contents()).values():
            assert said
            assert None not in said


async def test_one_backup_at_a_time(vault: Vault, backups: Backups, tmp_path: Path):
    config = tmp_path / "gateway.toml"
    async with aclosing(backups.create(config)) as first:
        await anext(first)
        with pytest.raises(RefusedError, match="another backup is being made"):
            await made(backups, config)
    assert await made(backups, config)
    assert left(vault) == []


async def test_a_backup_that_is_given_up_leaves_no_copy_and_is_not_called_made(
    vault: Vault, backups: Backups, tmp_path: Path
):
    async with aclosing(backups.create(tmp_path / "gateway.toml")) as pieces:
        await anext(pieces)
        assert len(left(vault)) == 1
    assert left(vault) == []
    assert await actions(vault) == []


async def test_a_disk_without_room_for_the_copies_is_said_with_the_numbers(
    vault: Vault, backups: Backups, tmp_path: Path
):
    backups.free_bytes = lambda _: SPARE_BYTES
    with pytest.raises(OperatorFaultError, match=r"takes [\d,]+ bytes in .*, and 67,108,864 are"):
        await made(backups, tmp_path / "gateway.toml")
    assert left(vault) == []
    backups.free_bytes = lambda _: 1 << 40
    assert await made(backups, tmp_path / "gateway.toml")


async def test_a_configuration_of_another_site_is_not_backed_up_as_this_one(
    vault: Vault, backups: Backups, tmp_path: Path
):
    other = tmp_path / "other.toml"
    other.write_text((tmp_path / "gateway.toml").read_text().replace("plant-a", "plant-b"))
    with pytest.raises(OperatorFaultError, match="is not what this gateway was started with"):
        await made(backups, other)
    with pytest.raises(OperatorFaultError, match=r"nowhere\.toml: No such file"):
        await made(backups, tmp_path / "nowhere.toml")
    assert left(vault) == []


async def test_a_queue_that_cannot_be_copied_is_no_backup(
    vault: Vault, backups: Backups, tmp_path: Path
):
    await vault.die()
    (vault.folder / "spool.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(OperatorFaultError, match="the databases cannot be copied: file is not"):
        await made(backups, tmp_path / "gateway.toml")
    assert left(vault) == []
    (vault.folder / "spool.db").unlink()
    await vault.start()
