"""Wiring of the message journey: intake -> spool -> anonymise -> seal -> uplink."""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import aiosqlite

from gateway.app.bell import Bell
from gateway.app.retention import DEAD_LETTERS, SHOWN_ALERTS, Told
from gateway.app.space import Boundless, Rooms
from gateway.config import Config
from gateway.intake import deadletters
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
from gateway.spool import due, ending, gaps, sealed, store, trace
from gateway.spool.lifetime import HOUR_MS
from gateway.store.sqlite import Engine, give_back
from gateway.uplink.batch import Batch
from gateway.uplink.encoding import encode
from gateway.uplink.sealing import NOBODY, ORDER, Held, NotYet, Seal, Turns, live_from, plan
from gateway.uplink.turn import Sealed, Turn, choose, sealable

LOG = logging.getLogger(__name__)

NEVER = SiteTime(0)
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

    def turn_away(self, db: sqlite3.Connection, messages: Sequence[Message], cause: str) -> None:
        """Count messages that do not come in, and that their devices will not send again."""
        counts = Counter((one.key.device, one.message_class.value) for one in messages)
        for (device, name), number in counts.items():
            ending.turn_away(db, device, name, cause, number)

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
    sealed: tuple[int, ...]
    withheld: tuple[int, ...]
    unreadable: tuple[int, ...] = ()
    kept: Counter[PictureKept] = field(default_factory=Counter[PictureKept])
    """Why pictures of its alerts stay here."""


async def _nowhere(_sha256: str, _reason: str) -> None:
    """Nobody listens."""


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
    noted: Callable[[str, str], Awaitable[None]] = _nowhere
    """Hears digest and reason of each batch that was parked."""
    resumed: SiteTime = NEVER
    """When an operator last let parking go on: what was parked before no longer counts."""
    under_way: str = ""
    """The batch that was handed out last: the cloud may have it already."""
    bell: Bell = field(default_factory=Bell)
    _since_seal: int = 0
    _idle: bool = True
    _turns: Turns = NOBODY
    _last_sent: MessageClass | None = None
    """What had the last turn: steady alerts must not starve the other classes."""
    _fresh: set[str] = field(default_factory=set[str])
    """Sealed by this process and not ended: all other sealed bytes may have been sent before."""

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

    async def seal(self, turn: Turn) -> float | None:
        """Seal the most urgent batch that is due; see ``uplink.service.Queue``."""
        self.bell.silence()
        self._since_seal = 0
        self._idle = True  # what comes while we look rings, or the uplink sleeps beside it
        heads = await self._heads()
        self._fresh &= {one.sha256 for one in heads}  # what was shed is forgotten
        classes = sealable(heads, turn)
        decision = await self._plan(classes)
        if isinstance(decision, NotYet):
            ready = any(one.sha256 not in turn.resting for one in heads)
            self._idle = decision.due_in_s is None and not ready
            return decision.due_in_s
        self._turns = decision.turns
        numbers = decision.message_ids
        contract = self.contracts.get(decision.contract_sha256)
        if contract is None:  # lost with a damaged file: nobody knows what of them may leave
            LOG.error("event=contract-lost messages=%d stay here", len(numbers))
            await self.spool.write(store.withhold, numbers)
            return 0.0
        contents = await due.contents(self.reader, decision.message_class, numbers, self.cipher)
        # Encoding a full batch takes tens of milliseconds: off the loop, or receipts wait.
        made = await asyncio.to_thread(self._encode, decision.message_class, contract, contents)
        made = replace(made, unreadable=_missing(numbers, contents))
        await self.spool.write(self._store, made, now=self.clock.site(), cipher=self.cipher)
        for why, pictures in made.kept.items():
            self.count("pictures_kept_total", pictures, reason=why.value)
        if made.batch is not None:
            self._fresh.add(made.batch.sha256)
        self.point("after-seal")
        return 0.0

    async def _heads(self) -> list[Sealed]:
        return [
            Sealed(one.number, one.sha256, one.message_class, one.sealed)
            for one in await sealed.heads(self.reader)
        ]

    async def _plan(self, classes: frozenset[MessageClass]) -> Seal | NotYet:
        limits, now = self.config.uplink, self.clock.site()
        held: list[Held] = []
        for name in (one for one in ORDER if one in classes):
            found = await due.waiting(
                self.reader, name, limits.batch_max_messages, live_from(limits, name, now)
            )
            held += [
                Held(one.number, name, one.contract_sha256, one.received, one.size_bytes)
                for one in found
            ]
        return plan(held, limits, now, self._turns, classes)

    def _encode(
        self, message_class: MessageClass, contract: ContractInForce, contents: list[due.Content]
    ) -> _Content:
        leaving = {
            one.number: anonymise(contract.contract, message_class, one.received // 1000, one.items)
            for one in contents
        }
        numbers = [number for number, leaves in leaving.items() if isinstance(leaves, Leaves)]
        rows = blend(
            row for leaves in leaving.values() if isinstance(leaves, Leaves) for row in leaves.rows
        )
        kept = Counter(
            why for one in leaving.values() if isinstance(one, Leaves) for why in one.pictures_kept
        )
        leave = set(numbers)
        withheld = tuple(number for number in leaving if number not in leave)
        if not rows:
            return _Content(None, (), tuple(leaving), kept=kept)
        batch = encode(
            rows,
            message_class,
            messages=len(numbers),
            site=self.config.site.name,
            contract=contract,
            nonce=self.entropy(16).hex(),
        )
        return _Content(batch, tuple(numbers), withheld, kept=kept)

    @staticmethod
    def _store(db: sqlite3.Connection, made: _Content, *, now: SiteTime, cipher: Cipher) -> None:
        store.discard(db, made.unreadable, now)
        store.withhold(db, made.withheld)
        if made.batch is not None:
            store.seal(db, _on_disk(made.batch), made.sealed, now, cipher)

    async def next(self, turn: Turn) -> Batch | None:
        """Return the sealed batch to send next."""
        while True:
            chosen = choose(await self._heads(), turn, self.clock.site(), self._last_sent)
            if chosen is None:
                return None
            found = await sealed.batch(self.reader, chosen.sha256, self.cipher)
            if not isinstance(found, sealed.Unreadable):
                break
            LOG.error("event=unreadable batch=%s is set aside: it does not open", found.sha256)
            await self.park(found.sha256, UNREADABLE)
        if found is None:
            return None
        self._last_sent, self.under_way = found.message_class, found.sha256
        self.point("before-send")
        resent = found.sha256 not in self._fresh
        return Batch(found.sha256, found.body, found.message_class, found.rows, found.items, resent)

    async def split(self, sha256: str) -> bool:
        """Seal the messages of a refused batch anew in two halves; False if they cannot be."""
        found = await sealed.messages(self.reader, sha256)
        if found is None or len(found[2]) == 1 or found[1] not in self.contracts:
            return False
        message_class, contract_sha256, numbers = found
        contents = await due.contents(self.reader, message_class, numbers, self.cipher)
        if len(contents) < len(numbers):
            return False  # its bytes are whole, and some messages do not open any more
        contract, half = self.contracts[contract_sha256], len(contents) // 2
        made = [
            await asyncio.to_thread(self._encode, message_class, contract, part)
            for part in (contents[:half], contents[half:])
        ]
        parts = [
            part
            for one in made
            for part in (
                sealed.Part(None if one.batch is None else _on_disk(one.batch), one.sealed),
                sealed.Part(None, one.withheld),
            )
            if part.message_ids
        ]
        self.point("before-split")
        done = await self.spool.write(sealed.reseal, sha256, parts, self.clock.site(), self.cipher)
        self.point("after-split")
        if done:
            self._fresh.discard(sha256)
            self._fresh |= {one.batch.sha256 for one in made if one.batch is not None}
        return done

    async def delivered(self, sha256: str) -> None:
        """End a batch that the cloud has echoed."""
        self.point("after-answer")
        sealed_under = self.contracts.get(await due.contract_of(self.reader, sha256) or "")
        kept_h = sealed_under.contract.alert.kept_after_delivery_h if sealed_under else 0
        await self.spool.write(store.delivered, sha256, self.clock.site(), kept_h * HOUR_MS)
        self._fresh.discard(sha256)
        self.point("after-delivered")
        self.changed()

    async def park(self, sha256: str, reason: str) -> None:
        """Set a batch aside that the cloud refused for good."""
        await self.spool.write(store.park, sha256, reason, self.clock.site())
        self.point("after-park")
        await self.noted(sha256, reason)
        self._fresh.discard(sha256)
        self.changed()

    async def parked(self) -> int:
        """Return how many batches are parked."""
        return await trace.parked(self.reader)

    async def parked_since(self, since: SiteTime, most: int) -> list[SiteTime]:
        """Return when the latest batches were parked."""
        return await sealed.parked_since(self.reader, max(since, self.resumed), most)

    async def wait(self, seconds: float) -> None:
        """Wait for news, at most ``seconds``."""
        await self.bell.wait(seconds)

    async def sweep(self, told: Told | None = None) -> int:
        """End what has outlived its retention, and hold trace and alerts in bounds.

        ``told`` is added to after the commit.
        """
        limits, roomy = self.config.spool, self.space.roomy()
        letters_ms = self.config.intake.dead_letters_kept_h * HOUR_MS
        found = Told()

        def unit(db: sqlite3.Connection, now: SiteTime) -> int:
            ended = store.expire(db, now, found)
            gaps.forget(db, now)
            found[SHOWN_ALERTS, ""] = store.prune(
                db, now, trace_rows=limits.trace_rows_max, alerts=limits.alerts_shown_max
            )
            found[DEAD_LETTERS, ""] = deadletters.outlive(db, SiteTime(now - letters_ms))
            uplink = self.config.uplink
            sealed.hold_parked(
                db, now, kept_h=uplink.parked_kept_h, bytes_max=uplink.parked_bytes_max
            )
            if roomy:  # else the queue needs them itself, and another program would take them
                give_back(db, PAGES_GIVEN_BACK_MAX, kept=SPARE_PAGES_KEPT)
            return ended

        ended = await self.spool.write(unit, self.clock.site())
        if told is not None:
            told.update(+found)
        return ended


def _on_disk(batch: Batch) -> store.SealedBatch:
    return store.SealedBatch(batch.sha256, batch.body, batch.message_class, batch.rows, batch.items)


def _missing(numbers: Sequence[int], contents: list[due.Content]) -> tuple[int, ...]:
    """Return which of ``numbers`` did not open."""
    opened = {one.number for one in contents}
    return tuple(number for number in numbers if number not in opened)
