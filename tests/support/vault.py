"""A site's two databases with something in every sealed table, and its keys; no broker, no page.

async with Vault(tmp_path) as vault:
    await vault.fill(40)
    await vault.rekeying.rotate()
    await vault.die()           # as a killed process: nothing is tidied up
    await vault.start()
    assert await vault.contents() == before
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from gateway.app.keys import Keys, begin
from gateway.app.offline import SPOOL_MIGRATIONS, STATE_MIGRATIONS
from gateway.app.rekeying import TABLES, Rekeying
from gateway.app.voices import Voices
from gateway.identity import keys, keystore
from gateway.intake import deadletters
from gateway.intake.deadletters import Letter
from gateway.intake.wire import Reason, Refusal
from gateway.model.cipher import UnreadableError
from gateway.model.identity import DeviceId
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool import store
from gateway.store.sqlite import Engine, open_offline
from tests.simulators.clock import SteppedClock
from tests.support.spooled import CONTRACTS, PICTURE, message

RECOVERY = keys.draw()
"""The private recovery key: a company's safe."""


class KilledError(Exception):
    """The process ended here."""


class ReadyClock(SteppedClock):
    """Who sleeps goes on at once; time goes on all the same."""

    async def sleep(self, seconds: float) -> None:
        self._elapsed_s += max(0.0, seconds)
        await asyncio.sleep(0)


class Vault:
    """Use as ``async with``. ``point`` is called at the named points of a rotation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ReadyClock()
        self.point: Callable[[str], None] = lambda _: None
        self._stack = AsyncExitStack()
        self._filled = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()

    async def start(self) -> None:
        """Open everything as a start of the gateway does."""
        with open_offline(self.folder / "state.db", STATE_MIGRATIONS) as db:
            recipient = RECOVERY.public_key()
            self.keys: Keys = begin(db, self.folder, recipient, "plant-a", self.clock.site())
        enter = self._stack.enter_async_context
        self.state = await enter(Engine(self.folder / "state.db", STATE_MIGRATIONS))
        self.spool = await enter(Engine(self.folder / "spool.db", SPOOL_MIGRATIONS))
        self.reader = await enter(self.spool.reader())
        self.voices = Voices(self.clock)
        self.rekeying = Rekeying(
            self.keys,
            self.state,
            self.spool,
            self.reader,
            self.clock,
            self.voices,
            self._pass,
        )

    def _pass(self, name: str) -> None:
        self.point(name)

    async def die(self) -> None:
        """Close the files; nothing else is tidied up."""
        await self._stack.aclose()

    async def fill(self, count: int) -> None:
        """Store ``count`` alerts with pictures, results in a batch and dead letters."""
        first, self._filled = self._filled + 1, self._filled + count
        cipher, now = self.keys.cipher, self.clock.site()
        numbers = range(first, first + count)

        def unit(db: Any) -> None:
            alerts = [message(seq, MessageClass.ALERT) for seq in numbers]
            results = [message(seq) for seq in numbers]
            store.enqueue(db, [*alerts, *results], now, CONTRACTS, cipher)
            waiting = db.execute("SELECT id FROM message WHERE class = 'result' AND batch IS NULL")
            ids = [number for (number,) in waiting]
            name = f"{first:064d}"
            batch = store.SealedBatch(name, b"batch", MessageClass.RESULT, len(ids), len(ids))
            assert store.seal(db, batch, ids, now, cipher)
            for seq in numbers:
                refusal = Refusal(DeviceId("cam-01"), Reason.MALFORMED, "x")
                letter = Letter(refusal, None, f"letter {seq}".encode(), SiteTime(now + seq))
                deadletters.keep(db, letter, cipher)

        await self.spool.write(unit)

    async def plain(self, count: int) -> None:
        """Store ``count`` alerts with pictures as the first schema did: in plain text."""
        first, self._filled = self._filled + 1, self._filled + count

        def unit(db: Any) -> None:
            for seq in range(first, first + count):
                cursor = db.execute(
                    "INSERT INTO message (device, epoch, stream, seq, class, contract, "
                    "received_ms, boot, mono_ms, leaves, size_bytes, body) VALUES "
                    "('cam-01', 7, 'alert', ?, 'alert', 'x', 5, 'b', 5, 1, 9, x'90')",
                    (seq,),
                )
                cursor = db.execute(
                    "INSERT INTO alert (message, device, kind, severity, label, score, "
                    "received_ms, outcome, picture_type) "
                    "VALUES (?, 'cam-01', 'defect', 'major', 'old', 0.25, 5, 'queued', "
                    "'image/png')",
                    (cursor.lastrowid,),
                )
                picture = (cursor.lastrowid, PICTURE.data)
                db.execute("INSERT INTO picture (alert, data) VALUES (?, ?)", picture)

        await self.spool.write(unit)

    async def contents(self) -> dict[str, list[bytes | None]]:
        """Return what every sealed value says, by table; None is one that does not open."""
        found: dict[str, list[bytes | None]] = {}
        cipher = self.keys.cipher

        def unit(db: Any) -> None:
            for table in TABLES:
                said: list[bytes | None] = []
                for number, _ in db.execute(table.scan, (0, 1 << 30)).fetchall():
                    row = db.execute(table.select, (number,)).fetchone()
                    try:
                        if row[1] is None and table.plain is not None:
                            said.append(table.plain(row))
                        else:
                            said.append(cipher.open(row[0], row[1], table.place(row)))
                    except UnreadableError:
                        said.append(None)
                found[table.name] = said

        await self.spool.write(unit)
        return found

    async def key_ids(self) -> set[int]:
        """Return the ids of the keys under which anything lies."""
        return await self.spool.write(
            lambda db: {row[1] for table in TABLES for row in db.execute(table.scan, (0, 1 << 30))}
        )

    async def data_keys(self) -> list[int]:
        """Return the numbers of the data keys that there are."""
        stored = await self.state.write(keystore.data_keys)
        return [one.number for one in stored]

    def kek_files(self) -> list[str]:
        """Return the names of the key-encryption keys' files."""
        return sorted(path.name for path in (self.folder / "keys").iterdir())
