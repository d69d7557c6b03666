"""Verify and restore a backup, with the recovery key and without a gateway.

A restore makes a state folder in a safe form (``docs/backup.md``):

1. everything is read, authenticated and checked before anything has its place;
2. every data key is wrapped by a new key-encryption key, and all of them are retired: what
   the dead machine's disk knows opens nothing that is stored from now on;
3. floors are kept: what the state folder of the dead machine forbids, if it can still be
   read, stays forbidden (``identity/lifting.py``);
4. the site counts as restored until an operator confirms: until then no device is added,
   since nobody here knows which ids were issued after the backup.

Crash: the state folder gets its name last, whole; until then there is no site, and the same
command can be given again. What a killed restore left, which holds keys, it removes.
"""

import hashlib
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.app.backup import CONFIG, FILES, MANIFEST, STATE, Manifest, Member
from gateway.app.keys import recover
from gateway.app.offline import SPOOL_MIGRATIONS, STATE_MIGRATIONS
from gateway.config import CONFIG_BYTES_MAX, parse
from gateway.health.audit import audit
from gateway.identity import keystore, lifting, pki, recovery
from gateway.identity import store as identity_store
from gateway.identity.archive import FRAME_BYTES, PURPOSE, BackupError, Header, Opened, read_header
from gateway.identity.files import PRIVATE_FILE, PUBLIC_FILE, sync_folder, write_whole
from gateway.model.audit import OPERATOR, Action
from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.spool import counted
from gateway.store import copying, lives, site_time
from gateway.store.sqlite import open_offline, transaction

_ALLOWED: Final = re.compile(
    rf"{re.escape(CONFIG)}|{re.escape(MANIFEST)}|{STATE}(spool|state)\.db"
    rf"|{STATE}{pki.FOLDER}/[a-z0-9-]+(\.wrapped)?\.(pem|json)|{FILES}\d+-[\w.-]+"
)
_WORK: Final = ".restoring-"


@dataclass(frozen=True, slots=True)
class Verified:
    """A backup whose content lies in ``folder``, every byte of it authenticated."""

    header: Header
    manifest: Manifest
    folder: Path


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore made."""

    site: str
    created_ms: int
    state_dir: str
    config: str
    devices: int
    waiting: int
    """Messages in the queue as it was at the backup."""
    raised: list[str]
    """What the old state folder forbids and the backup did not know."""
    notes: list[str]


def peek(file: Path, key: ec.EllipticCurvePrivateKey) -> tuple[Header, bytes]:
    """Return header and gateway.toml of a backup, without having looked at the rest.

    Raises:
        OperatorFaultError: it is no backup, is for another key, or was changed.
    """
    with _archive(file, key) as (header, _, archive):
        first = archive.next()
        content = archive.extractfile(first) if first and first.name == CONFIG else None
        if content is None:
            msg = f"{file} does not begin with {CONFIG}: fetch another copy"
            raise BackupError(msg)
        return header, content.read(CONFIG_BYTES_MAX)


@contextmanager
def verified(file: Path, key: ec.EllipticCurvePrivateKey, beside: Path) -> Generator[Verified]:
    """Open the backup ``file`` in a private folder in ``beside`` while the block runs.

    Raises:
        OperatorFaultError: it is no backup, is for another key, was changed or is damaged.
    """
    work = Path(tempfile.mkdtemp(prefix=_WORK, dir=beside))  # mode 0700
    try:
        with _archive(file, key) as (header, opened, archive):
            found = [_extracted(archive, member, work) for member in archive]
            opened.finish()
        manifest = _compared(work, found)
        for name in ("spool.db", "state.db"):
            copying.check(work / STATE / name)
        yield Verified(header, manifest, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def restore(
    file: Path,
    key: ec.EllipticCurvePrivateKey,
    config_path: Path,
    floors_from: Path | None = None,
) -> Restored:
    """Make the site of a backup on this machine; ``floors_from`` is an old state folder.

    Raises:
        RefusedError: a state folder is there already; nothing was changed.
        OperatorFaultError: the backup cannot be used, or a disk refuses; nothing was made.
    """
    notes: list[str] = []
    header, content = peek(file, key)
    if config_path.exists():
        content = config_path.read_bytes()
        notes.append(f"{config_path} was there already and is used as it is")
    config = parse(content, str(config_path), config_path.absolute().parent)
    if config.site.name != header.site:
        msg = f"{config_path} is of site {config.site.name}, and the backup of {header.site}"
        raise OperatorFaultError(msg)
    target = Path(config.site.state_dir)
    if os.path.lexists(target):
        msg = (
            f"{target} is there already and is never overwritten: move it away (mv {target} "
            f"{target}.old) and give it with --floors-from {target}.old, so that what it forbids "
            "stays forbidden"
        )
        raise RefusedError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{_WORK}*"):  # a restore that was killed left keys in it
        shutil.rmtree(left)
    with verified(file, key, target.parent) as found:
        state = found.folder / STATE
        devices, raised = _made_safe(state, header, key, floors_from)
        waiting = _lives_anew(state)
        _synced(state)
        _place(found, notes)
        if not config_path.exists():
            config_path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(config_path, content, PUBLIC_FILE)
        state.rename(target)
        sync_folder(target.parent)
    return Restored(
        site=header.site,
        created_ms=header.created_ms,
        state_dir=str(target),
        config=str(config_path),
        devices=devices,
        waiting=waiting,
        raised=raised,
        notes=notes,
    )


def _made_safe(
    state: Path, header: Header, key: ec.EllipticCurvePrivateKey, floors_from: Path | None
) -> tuple[int, list[str]]:
    """Bring the copy of ``state.db`` into the safe form; return its devices and what was raised."""
    state.chmod(0o700)
    with open_offline(state / "state.db", STATE_MIGRATIONS) as db:
        recipient = pki.recovery_key(state / pki.FOLDER)
        recover(db, state, key, recipient, header.site)
        with transaction(db):
            raised = [] if floors_from is None else _lifted(db, floors_from / "state.db")
            keystore.note_restore(db)
            detail = {"backup_ms": header.created_ms, "raised": len(raised)}
            now = site_time.floor(db)
            audit(db, now, OPERATOR, Action.BACKUP_RESTORED, header.site, detail)
        return len(identity_store.devices(db)), raised


def _lives_anew(state: Path) -> int:
    """Begin a new life of the queue: its row numbers meant something else since the backup.

    Returns how many messages wait in it.
    """
    with (
        open_offline(state / "state.db", STATE_MIGRATIONS) as db,
        open_offline(state / "spool.db", SPOOL_MIGRATIONS) as spool,
        transaction(db),
    ):
        last = lives.latest(db)
        generation = max(last.generation if last else 0, lives.of_file(spool) or 0)
        now = site_time.floor(db)
        lives.end(db, generation, now)
        lives.begin(db, generation + 1, now)
        with transaction(spool):
            lives.name(spool, generation + 1)
        return counted.waiting(spool)


def _lifted(db: sqlite3.Connection, old: Path) -> list[str]:
    uri = f"{old.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as before:
            raised = lifting.lift(db, before)
            site_time.raise_floor(db, site_time.floor(before))
            life = lives.latest(before)
            if life is not None:
                lives.begin(db, life.generation, site_time.floor(db))
    except sqlite3.Error as error:
        msg = (
            f"{old} cannot be read ({error}): restore without --floors-from, and revoke by hand "
            "what was revoked after the backup"
        )
        raise OperatorFaultError(msg) from error
    return raised


@contextmanager
def _archive(
    file: Path, key: ec.EllipticCurvePrivateKey
) -> Generator[tuple[Header, Opened, tarfile.TarFile]]:
    try:
        with file.open("rb") as content:
            header, line = read_header(content.read)
            secret = recovery.unwrap(header.key, key, purpose=PURPOSE, site=header.site)
            opened = Opened(content.read, line, secret)
            with tarfile.open(fileobj=cast("IO[bytes]", opened), mode="r|") as archive:
                yield header, opened, archive
    except tarfile.TarError as error:
        msg = f"{file} holds no archive of a site: {error}"
        raise BackupError(msg) from error


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo, work: Path) -> Member:
    # Names are ours or none: an archive that somebody else made reaches no other place.
    if not member.isreg() or not _ALLOWED.fullmatch(member.name):
        msg = f"the backup holds {member.name!r}, which belongs into none"
        raise BackupError(msg)
    path = work / member.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, source = hashlib.sha256(), archive.extractfile(member)
    with path.open("xb") as file:
        path.chmod(PRIVATE_FILE)
        while source is not None and (piece := source.read(FRAME_BYTES)):
            digest.update(piece)
            file.write(piece)
    return Member(member.name, member.size, digest.hexdigest())


def _compared(work: Path, found: list[Member]) -> Manifest:
    path = work / MANIFEST
    if not path.exists():
        msg = "the backup holds no manifest: fetch another copy"
        raise BackupError(msg)
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.MsgspecError as error:
        msg = f"the backup's manifest cannot be read: {error}"
        raise BackupError(msg) from error
    told = {(one.name, one.bytes, one.sha256) for one in manifest.members}
    there = {(one.name, one.bytes, one.sha256) for one in found if one.name != MANIFEST}
    if told != there or len(told) != len(manifest.members):
        wrong = sorted({name for name, _, _ in told ^ there})
        msg = f"the backup does not hold what its manifest says: {', '.join(wrong)}"
        raise BackupError(msg)
    for name in ("spool.db", "state.db", f"{pki.FOLDER}/{pki.CA_KEY}"):
        if not (work / STATE / name).exists():
            msg = f"the backup holds no {name}"
            raise BackupError(msg)
    return manifest


def _place(found: Verified, notes: list[str]) -> None:
    """Put the files that gateway.toml names where they lay; what is there already stays."""
    for member in found.manifest.members:
        if not member.place:
            continue
        path = Path(member.place)
        if path.exists():
            notes.append(f"{path} was there already and stays as it is")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (found.folder / member.name).read_bytes(), PRIVATE_FILE)


def _synced(folder: Path) -> None:
    """Bring all of ``folder`` to the disk."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
