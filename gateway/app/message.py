"""Wiring of the message journey: intake -> spool -> anonymise -> seal -> uplink."""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import aiosqlite

from gateway.app.bell import Bell
from gateway.app.space import Boundless, Rooms
from gateway.config import Config
from gateway.intake import store as intake_store
from gateway.intake.admitted import Admitted, Arrival
from gateway.intake.deadletters import Bounds
from gateway.model.cipher import Cipher
from gateway.model.contract import ContractInForce
from gateway.model.gaps import DayCount
from gateway.model.message import Key, Message
from gateway.model.outcome import MessageClass
from gateway.model.room import Room
from gateway.model.time import Clock, SiteTime
from gateway.privacy.anonymise import Leaves, anonymise, blend
from gateway.privacy.picture import PictureKept
from gateway.spool import due, gaps, store, trace
from gateway.spool.lifetime import HOUR_MS
from gateway.store.sqlite import Engine, give_back
from gateway.uplink.batch import Batch
from gateway.uplink.encoding import encode
from gateway.uplink.sealing import Held, NotYet, plan

LOG = logging.getLogger(__name__)

SPARE_PAGES_KEPT = 16_384
"""Pages of 1 KB that stay in the file for what comes next."""
UNREADABLE = "it does not open any more: its key is gone, or it was changed on the disk"
PAGES_GIVEN_BACK_MAX = 4_096
"""A sweep; about a tenth of a second of the writer."""


@dataclass(frozen=True, slots=True)
class SpoolSide:
    """What the intake's transaction asks of the spool."""

    contracts: Mapping[str, ContractInForce]
    left: Callable[[sqlite3.Connection], Room]
    cipher: Cipher

    def enqueue(self, db: sqlite3.Connection, messages: Sequence[Message], now: SiteTime) -> None:
        """Keep admitted messages."""
        store.enqueue(db, messages, now, self.contracts, self.cipher)

    def bury(
        self, db: sqlite3.Connection, letters: Sequence[tuple[Key, str]], now: SiteTime
    ) -> None:
        """Record dead letters."""
        store.bury(db, letters, now)

    def room(self, db: sqlite3.Connection) -> Room:
        """Say what this transaction may store."""
        return self.left(db)

    def tally(self, db: sqlite3.Connection, counts: Sequence[DayCount], now: SiteTime) -> None:
        """Add to the gap reports."""
        gaps.tally(db, counts, now)


@dataclass(frozen=True, slots=True)
class _Content:
    """A planned batch, ready to be stored.

    Of messages ``withheld`` nothing leaves; those ``unreadable`` do not open any more.
    """

    batch: Batch | None
    sealed: list[int]
    withheld: list[int]
    unreadable: list[int] = field(default_factory=list[int])
    kept: Counter[PictureKept] = field(default_factory=Counter[PictureKept])
    """Why pictures of its alerts stay here."""


@dataclass(slots=True)
class Queue:
    """The durable queue, as intake, uplink and housekeeping see it."""

    config: Config
    clock: Clock
    spool: Engine
    reader: aiosqlite.Connection
    contracts: dict[str, ContractInForce]
    cipher: Cipher
    entropy: Callable[[int], bytes]
    point: Callable[[str], None]
    changed: Callable[[], None]
    count: Callable[..., None]
    """Adds to a counter: its name, how much, and its labels."""
    space: Rooms = field(default_factory=Boundless)
    under_way: str = ""
    """The batch that was handed out last: the cloud may have it already."""
    bell: Bell = field(default_factory=Bell)
    _since_seal: int = 0
    _idle: bool = True
    _last_sealed: MessageClass | None = None
    _last_sent: MessageClass | None = None
    """What had the last turn: steady alerts must not starve the other classes."""

    async def admit(self, batch: Sequence[tuple[Arrival, bytes]]) -> Admitted:
        """Store what devices sent; return after the commit reached the disk."""
        limits = self.config.intake
        bounds = Bounds(
            limits.dead_letters_max,
            limits.dead_letter_payload_bytes,
            limits.dead_letters_a_device_max,
        )
        result = await self.spool.write(
            intake_store.admit,
            batch,
            now=self.clock.site(),
            spool=SpoolSide(self.contracts, self.space.left, self.cipher),
            bounds=bounds,
        )
        self.space.tell()
        self._since_seal += result.stored
        if self._idle or result.alerts or self._since_seal >= self.config.uplink.batch_max_messages:
            self.bell.ring()
        return result

    async def seal(self) -> float | None:
        """Seal the most urgent batch that is due; see ``uplink.service.Queue``."""
        self.bell.silence()
        self._since_seal = 0
        self._idle = True  # what comes while we look rings, or the uplink sleeps beside it
        limits = self.config.uplink
        waiting = await due.waiting(self.reader, limits.batch_max_messages)
        held = [
            Held(one.number, one.message_class, one.contract_sha256, one.received, one.size_bytes)
            for one in waiting
        ]
        decision = plan(held, limits, self.clock.site(), self._last_sealed)
        if isinstance(decision, NotYet):
            self._idle = decision.due_in_s is None
            return decision.due_in_s
        self._last_sealed = decision.message_class
        numbers = decision.message_ids
        contents = await due.contents(self.reader, decision.message_class, numbers, self.cipher)
        contract = self.contracts[decision.contract_sha256]
        # Encoding a full batch takes tens of milliseconds: off the loop, or receipts wait.
        made = await asyncio.to_thread(self._encode, decision.message_class, contract, contents)
        opened = {one.number for one in contents}
        made = replace(made, unreadable=[one for one in numbers if one not in opened])
        await self.spool.write(self._store, made, now=self.clock.site(), cipher=self.cipher)
        for why, pictures in made.kept.items():
            self.count("pictures_kept_total", pictures, reason=why.value)
        self.point("after-seal")
        return 0.0

    def _encode(
        self, message_class: MessageClass, contract: ContractInForce, contents: list[due.Content]
    ) -> _Content:
        leaving = {
            one.number: anonymise(contract.contract, message_class, one.received // 1000, one.items)
            for one in contents
        }
        sealed = [number for number, leaves in leaving.items() if isinstance(leaves, Leaves)]
        rows = blend(
            row for leaves in leaving.values() if isinstance(leaves, Leaves) for row in leaves.rows
        )
        kept = Counter(
            why for one in leaving.values() if isinstance(one, Leaves) for why in one.pictures_kept
        )
        withheld = [number for number in leaving if number not in set(sealed)]
        if not rows:
            return _Content(None, [], list(leaving), kept=kept)
        batch = encode(
            rows,
            message_class,
            messages=len(sealed),
            site=self.config.site.name,
            contract=contract,
            nonce=self.entropy(16).hex(),
        )
        return _Content(batch, sealed, withheld, kept=kept)

    @staticmethod
    def _store(db: sqlite3.Connection, made: _Content, *, now: SiteTime, cipher: Cipher) -> None:
        store.discard(db, made.unreadable, now)
        store.withhold(db, made.withheld)
        if made.batch is not None:
            one = made.batch
            sealed = store.SealedBatch(one.sha256, one.body, one.message_class, one.rows, one.items)
            store.seal(db, sealed, made.sealed, now, cipher)

    async def next(self) -> Batch | None:
        """Return the sealed batch to send next."""
        now, last = self.clock.site(), self._last_sent
        found = await trace.next_batch(self.reader, self.cipher, now, last)
        while isinstance(found, trace.Unreadable):
            LOG.error("event=unreadable batch=%s is set aside: it does not open", found.sha256)
            await self.park(found.sha256, UNREADABLE)
            found = await trace.next_batch(self.reader, self.cipher, now, last)
        if found is None:
            return None
        self._last_sent, self.under_way = found.message_class, found.sha256
        self.point("before-send")
        return Batch(found.sha256, found.body, found.message_class, found.rows, found.items)

    async def delivered(self, sha256: str) -> None:
        """End a batch that the cloud has echoed."""
        self.point("after-answer")
        kept_h = max(
            (one.contract.alert.kept_after_delivery_h for one in self.contracts.values()),
            default=24,
        )
        await self.spool.write(store.delivered, sha256, self.clock.site(), kept_h * HOUR_MS)
        self.point("after-delivered")
        self.changed()

    async def park(self, sha256: str, reason: str) -> None:
        """Set a batch aside that the cloud refused for good."""
        await self.spool.write(store.park, sha256, reason, self.clock.site())
        self.changed()

    async def parked(self) -> int:
        """Return how many batches are parked."""
        return await trace.parked(self.reader)

    async def wait(self, seconds: float) -> None:
        """Wait for news, at most ``seconds``."""
        await self.bell.wait(seconds)

    async def sweep(self) -> int:
        """End what has outlived its retention, and hold trace and alerts in bounds."""
        limits, roomy = self.config.spool, self.space.roomy()

        def unit(db: sqlite3.Connection, now: SiteTime) -> int:
            ended = store.expire(db, now)
            gaps.forget(db, now)
            store.prune(db, now, trace_rows=limits.trace_rows_max, alerts=limits.alerts_shown_max)
            if roomy:  # else the queue needs them itself, and another program would take them
                give_back(db, PAGES_GIVEN_BACK_MAX, kept=SPARE_PAGES_KEPT)
            return ended

        return await self.spool.write(unit, self.clock.site())
