"""The keys of a running site: rotated when asked, renewed when worn, dropped when unused.

Crash, at each named point of a rotation:

1. ``kek-written``: the new key-encryption key wraps nothing yet; the next start removes it.
2. ``keys-rewrapped``: one transaction made it the only one that matters; the old file is
   removed by the next start, and the walk goes on from the stored floor.
3. ``kek-removed``: what is left is the walk, which is found by the floor again.
4. ``resealed``: a step of the walk is whole or absent (``store/resealing.py``).
5. ``data-keys-dropped``: keys without values are gone; the next walk finds no others.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final, NoReturn

import aiosqlite
from aiohttp import web

from gateway.app.bell import Bell
from gateway.app.control import reply
from gateway.app.keys import Keys, Wrapping
from gateway.app.voices import Voices
from gateway.health.audit import audit
from gateway.identity import kek as kek_files
from gateway.identity import keyring, keystore
from gateway.identity.keyring import StoredKey
from gateway.identity.problems import KEK_ON_DISK
from gateway.identity.secret import Secret
from gateway.intake import deadletters
from gateway.model.audit import OPERATOR, Action
from gateway.model.cipher import PLAIN
from gateway.model.problem import Raised
from gateway.model.sealed import SealedTable
from gateway.model.time import Clock, Instant
from gateway.spool import resealing as spool_tables
from gateway.store import lives
from gateway.store.resealing import look, reseal
from gateway.store.sqlite import Engine

LOG = logging.getLogger(__name__)

TABLES: Final = (*spool_tables.TABLES, deadletters.TABLE)
WALK_EVERY_S: Final = 21_600.0
LOOK_EVERY_S: Final = 30.0
"""How often it is asked whether the data key is worn: far below what two of them can seal."""
BREATH_S: Final = 0.01
"""Between two steps: whoever stores messages comes first."""
SUBJECT: Final = "queue"


@dataclass(slots=True)
class Walk:
    """How far the walk over all sealed values has come."""

    running: bool = False
    table: str = ""
    looked_at: int = 0
    resealed: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class Rekeying:
    """Owner of the keys while the site runs."""

    keys: Keys
    state: Engine
    spool: Engine
    reader: aiosqlite.Connection
    clock: Clock
    voices: Voices
    point: Callable[[str], None]
    walk: Walk = field(default_factory=Walk)
    walks: int = 0
    """How many walks have come to their end since the start."""
    held: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whoever holds it sees no key rotated, renewed or dropped: a backup does."""
    _bell: Bell = field(default_factory=Bell)
    _walked: Instant | None = None

    async def run(self) -> NoReturn:
        """Walk at start, after a rotation, and a few times a day; until cancelled."""
        self._tell()
        self._walked = None
        while True:
            if self.keys.cipher.worn:
                await self.renew()
            if self._walked is None or self.clock.now() - self._walked >= WALK_EVERY_S:
                self._walked = self.clock.now()  # a rotation meanwhile asks for another
                await self._walk()
            await self._bell.wait(LOOK_EVERY_S)

    def _tell(self) -> None:
        self.voices.report(Raised(KEK_ON_DISK, SUBJECT, str(self.keys.kek_file)))

    async def renew(self) -> None:
        """Give the cipher a new data key under the same key-encryption key."""
        async with self.held:
            wrapping, now = self.keys.wrapping, self.clock.site()

            def unit(db: sqlite3.Connection) -> tuple[StoredKey, Secret]:
                fresh = wrapping.fresh(keystore.next_number(db), now)
                keystore.keep(db, [fresh[0]])
                return fresh

            self._adopt(*await self.state.write(unit))

    async def rotate(self) -> StoredKey:
        """Draw a new key-encryption key, wrap all data keys by it, and begin a new data key.

        Returns the new data key once the old key-encryption key opens nothing any more. What
        was sealed before is sealed anew by the walk, which begins at once.

        Raises:
            OperatorFaultError: a file or a key refuses; the keys are as they were.
            sqlite3.Error: ``state.db`` could not be written; the keys are as they were.
        """
        async with self.held:
            folder, before = self.keys.folder, self.keys.wrapping
            kek = await asyncio.to_thread(kek_files.draw, folder)
            self.point("kek-written")
            after = Wrapping(kek, before.recipient, before.site)
            now = self.clock.site()

            def unit(db: sqlite3.Connection) -> tuple[StoredKey, Secret]:
                old = keystore.data_keys(db)
                fresh, secret = after.fresh(keystore.next_number(db), now)
                again = [after.again(one, keyring.unwrap(before.kek, one)) for one in old]
                keystore.keep(db, [*again, fresh])
                keystore.raise_floor(db, keystore.RETIRED, fresh.number - 1)
                detail: dict[str, int | str] = {"kek": kek.name, "before": before.kek.name}
                audit(db, now, OPERATOR, Action.KEYS_ROTATED, f"data key {fresh.number}", detail)
                return fresh, secret

            # Whatever fails here, the new file stays: a commit may have been cancelled and yet
            # happen. The next start removes the one that wraps nothing.
            stored, secret = await self.state.write(unit)
            self.point("keys-rewrapped")
            self.keys.wrapping = after
            self._adopt(stored, secret)
            await asyncio.to_thread(kek_files.remove, folder, before.kek.name)
            self.point("kek-removed")
        LOG.info("event=keys-rotated kek=%s data_key=%d", kek.name, stored.number)
        self._tell()
        self._walked = None
        self._bell.ring()
        return stored

    def _adopt(self, stored: StoredKey, secret: Secret) -> None:
        (key,) = keyring.ciphers({stored.number: secret}).values()
        self.keys.cipher.adopt(stored.number, key)

    async def _walk(self) -> None:
        """Seal anew what lies under retired keys, then drop the keys under which nothing lies."""
        oldest_kept = self.keys.cipher.current
        # A transaction that is under way may still seal under an older key: let it end first.
        await self.spool.write(lambda _: None)
        retired = await self.state.write(_retired)
        self.walk = Walk(running=True)
        try:
            used: set[int] = set()
            for table in TABLES:
                used |= await self._walk_table(table, retired)
            await self._drop(oldest_kept, used)
            self.walks += 1
        finally:
            self.walk.running = False
        if self.walk.resealed:
            LOG.info("event=queue-resealed values=%d", self.walk.resealed)

    async def _walk_table(self, table: SealedTable, retired: int) -> set[int]:
        """Return the ids of the keys that are still used in ``table``."""
        walk, used, after = self.walk, set[int](), 0
        walk.table = table.name
        while rows := await look(self.reader, table, after):
            after = rows[-1][0]
            todo = [number for number, key_id in rows if key_id <= retired]
            used |= {key_id for _, key_id in rows if key_id > retired}
            while todo:
                done, closed = await self.spool.write(reseal, table, todo, self.keys.cipher)
                self.point("resealed")
                used |= set(closed)
                walk.unreadable += len(closed)
                walk.resealed += done - len(closed)
                todo = todo[done:]
                await self.clock.sleep(BREATH_S)
            walk.looked_at += len(rows)
        return used

    async def _drop(self, oldest_kept: int, used: set[int]) -> None:
        async with self.held:
            if PLAIN not in used:
                await self.state.write(keystore.raise_floor, keystore.PLAIN_ENDED, 1)
                self.keys.cipher.forget(PLAIN)
            aside = await asyncio.to_thread(self.keys.set_aside)
            unused = await self.state.write(_drop_unused, oldest_kept, used, aside)
            if unused:
                self.point("data-keys-dropped")
            for number in unused:
                self.keys.cipher.forget(number)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the control socket."""
        return [web.get("/v1/keys", self._show), web.post("/v1/keys/rotate", self._rotate)]

    async def _show(self, _: web.Request) -> web.Response:
        """The keys by name and number, and how far the walk has come; no secret."""
        return reply(await self._document())

    async def _rotate(self, _: web.Request) -> web.Response:
        """Rotate now; the walk goes on after the answer. 409 while a backup needs the keys."""
        if self.held.locked():
            return reply({"error": "a backup is being made: rotate when it is done"}, 409)
        try:
            await self.rotate()
        except sqlite3.Error as error:
            return reply(
                {"error": f"state.db refuses, and the keys are as they were: {error}"}, 500
            )
        return reply(await self._document())

    async def _document(self) -> dict[str, object]:
        stored, retired = await self.state.write(
            lambda db: (keystore.data_keys(db), keystore.floors(db).get(keystore.RETIRED, 0))
        )
        current = self.keys.cipher.current
        return {
            "kek": {"name": self.keys.wrapping.kek.name, "file": str(self.keys.kek_file)},
            "data_keys": [
                {
                    "id": one.number,
                    "created_ms": one.created,
                    "kek": one.kek,
                    "state": _state(one.number, current, retired),
                }
                for one in stored
            ],
            "resealing": {**asdict(self.walk), "walks": self.walks},
        }


def _state(number: int, current: int, retired: int) -> str:
    if number == current:
        return "current"
    return "retired" if number <= retired else "kept"


def _retired(db: sqlite3.Connection) -> int:
    """Retire the older keys if there are too many; return up to which they are retired."""
    numbers = [one.number for one in keystore.data_keys(db)]
    many = keyring.retire_up_to(numbers)
    if many is not None:
        keystore.raise_floor(db, keystore.RETIRED, many)
    return keystore.floors(db).get(keystore.RETIRED, PLAIN)


def _drop_unused(
    db: sqlite3.Connection, oldest_kept: int, used: set[int], aside: set[int]
) -> list[int]:
    # A queue that was set aside may still be read by hand, with the keys of its time.
    ended = [life.ended for life in lives.of(db, aside) if life.ended is not None]
    unused = [
        one.number
        for one in keystore.data_keys(db)
        if one.number < oldest_kept
        and one.number not in used
        and not (aside and one.created <= max(ended, default=one.created))
    ]
    keystore.drop(db, unused)
    return unused
