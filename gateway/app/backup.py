"""A backup of a running site, streamed over the control socket.

The databases are copied one after the other while they are written, the queue first: each
key that the queue's copy needs then stands in the copy of ``state.db``, as no key is dropped
meanwhile. The copies lie in a private folder of the state until they have been sent.

The key-encryption key is left out on purpose: whoever restores has the recovery key, which
opens the data keys, and a restored site gets a key-encryption key of its own.
"""

import asyncio
import hashlib
import logging
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from gateway.app.offline import Places
from gateway.app.rekeying import Rekeying
from gateway.config import Config, ConfigError, load
from gateway.health.audit import audit
from gateway.identity import kek, pki, recovery
from gateway.identity.archive import FRAME_BYTES, PURPOSE, Header, frames
from gateway.identity.secret import Secret
from gateway.model.audit import OPERATOR, Action
from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.model.time import Clock
from gateway.store import copying
from gateway.store.sqlite import Engine

LOG = logging.getLogger(__name__)

SPARE_BYTES: Final = 64 * 1024 * 1024
"""Must stay free beside the copies: whoever backs up must not fill the disk."""
COPIES: Final = ".backup-"
MANIFEST: Final = "manifest.json"
CONFIG: Final = "gateway.toml"
STATE: Final = "state/"
FILES: Final = "files/"
"""Files that gateway.toml names and that lie elsewhere; the manifest says where."""
FILE_BYTES_MAX: Final = 1_048_576
WRITE_LIMIT_S: Final = 120.0


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a backup."""

    name: str
    bytes: int
    sha256: str
    place: str = ""
    """Where it lay, if that is outside of the state folder."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last member: what the backup holds."""

    created_ms: int
    site_time_ms: int
    program: str
    config: str
    """Where gateway.toml lay."""
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """A file to come into the backup."""

    name: str
    path: Path
    place: str = ""


@dataclass(slots=True)
class Backups:
    """Makes backups of the running site, one at a time."""

    config: Config
    rekeying: Rekeying
    state: Engine
    clock: Clock
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    """How much room the disk of a folder has."""
    copy: Callable[[Path, Path, Callable[[], bool]], None] = copying.copy
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the control socket."""
        return [web.post("/v1/backup", self._create)]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        """The backup, streamed; an answer without its last chunk is no backup."""
        wish = msgspec.json.decode(await request.read(), type=dict[str, str])
        answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        try:
            async with aclosing(self.create(Path(wish.get("config", "")))) as pieces:
                async for piece in pieces:
                    async with asyncio.timeout(WRITE_LIMIT_S):
                        if not answer.prepared:  # before the first piece an error has a status
                            await answer.prepare(request)
                        await answer.write(piece)
            await answer.write_eof()
        except RefusedError as error:
            return _refused(error)
        except (ConnectionError, TimeoutError):
            LOG.warning("event=backup-cut-off whoever asked took nothing more")
            _cut(request)
        except Exception:
            if not answer.prepared:
                raise
            LOG.exception("event=bug path=%s", request.path)
            _cut(request)
        return answer

    async def create(self, config_path: Path) -> AsyncGenerator[bytes]:
        """Yield a backup, encrypted to the recovery key, in bounded memory.

        Returning from the last piece means that all of it was made; the audit log says so.

        Raises:
            RefusedError: another backup is being made.
            OperatorFaultError: the disk has no room for the copies, or a file cannot be read.
        """
        if self._one.locked():
            msg = "another backup is being made: wait for its end"
            raise RefusedError(msg)
        async with self._one:
            places = Places.of(self.config)
            secret = kek.draw_secret()
            header = self._header(places, secret)
            folder = await asyncio.to_thread(self._folder, places)
            try:
                async with self.rekeying.held:
                    await self._copied(places, folder)
                sources = _sources(self.config, places, folder, config_path)
                content = self._content(sources, config_path, header)
                pieces = frames(header, secret, content)
                while piece := await asyncio.to_thread(next, pieces, b""):
                    yield piece
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            now, site = self.clock.site(), self.config.site.name
            await self.state.write(
                audit, now, OPERATOR, Action.BACKUP_CREATED, site, {"recipient": header.recipient}
            )

    def _header(self, places: Places, secret: Secret) -> Header:
        recipient = pki.recovery_key(places.state / pki.FOLDER)
        site = self.config.site.name
        envelope = recovery.wrap(secret, recipient, purpose=PURPOSE, site=site)
        program = version("site-gateway")
        return Header(site, self.clock.wall(), program, recovery.key_id(recipient), envelope)

    def _folder(self, places: Places) -> Path:
        """Return a new private folder for the copies; what a dead run left is removed."""
        for left in places.state.glob(f"{COPIES}*"):
            shutil.rmtree(left, ignore_errors=True)
        needed = sum(map(copying.size_bytes, (places.spool_db, places.state_db))) + SPARE_BYTES
        free = self.free_bytes(places.state)
        if free < needed:
            msg = (
                f"a backup copies the databases first, which takes {needed:,} bytes in "
                f"{places.state}, and {free:,} are free: make room there"
            )
            raise OperatorFaultError(msg)
        return Path(tempfile.mkdtemp(prefix=COPIES, dir=places.state))  # mode 0700

    async def _copied(self, places: Places, folder: Path) -> None:
        going_on = True
        try:
            for path in (places.spool_db, places.state_db):
                await asyncio.to_thread(self.copy, path, folder / path.name, lambda: going_on)
        except sqlite3.Error as error:
            msg = f"the databases cannot be copied: {error}: see what the status page says of them"
            raise OperatorFaultError(msg) from error
        finally:
            going_on = False  # cancelled: the thread ends at its next step

    def _content(
        self, sources: list[_Source], config_path: Path, header: Header
    ) -> Iterator[bytes]:
        members: list[Member] = []
        for source in sources:
            digest, size = hashlib.sha256(), source.path.stat().st_size
            yield _head(source.name, size)
            with source.path.open("rb") as file:
                left = size
                while piece := file.read(min(FRAME_BYTES, left)):
                    digest.update(piece)
                    left -= len(piece)
                    yield piece
            if left:
                msg = f"{source.path} became shorter while it was read: make the backup again"
                raise OperatorFaultError(msg)
            yield _padding(size)
            members.append(Member(source.name, size, digest.hexdigest(), source.place))
        manifest = msgspec.json.encode(
            Manifest(
                header.created_ms,
                self.clock.site(),
                header.program,
                str(config_path),
                tuple(members),
            )
        )
        yield _head(MANIFEST, len(manifest))
        yield manifest + _padding(len(manifest)) + bytes(2 * tarfile.BLOCKSIZE)


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _sources(config: Config, places: Places, folder: Path, config_path: Path) -> list[_Source]:
    try:
        if load(config_path).site != config.site:
            msg = f"{config_path} is not what this gateway was started with: restart it first"
            raise OperatorFaultError(msg)
    except ConfigError as error:
        raise OperatorFaultError(str(error)) from error
    found = [_Source(CONFIG, config_path)]  # first: a restore learns from it where all belongs
    found += [
        _Source(f"{STATE}{path.name}", path) for path in (folder / "spool.db", folder / "state.db")
    ]
    found += [
        _Source(f"{STATE}{pki.FOLDER}/{path.name}", path)
        for path in sorted((places.state / pki.FOLDER).iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]
    uplink = config.uplink
    named = (uplink.ca_file, uplink.certificate_file, uplink.key_file, config.broker.password_file)
    for number, place in enumerate(dict.fromkeys(filter(None, named))):
        path = Path(place)
        if path.is_file() and path.stat().st_size <= FILE_BYTES_MAX:
            found.append(_Source(f"{FILES}{number}-{path.name}", path, str(path)))
    return found


def _refused(error: RefusedError) -> web.Response:
    body = msgspec.json.encode({"error": str(error)})
    return web.Response(body=body, status=409, content_type="application/json")


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
