"""Every admitted message is in exactly one place at any time, whatever becomes of it.

The model is a dict from key to place; depth, tally, alerts and trace must always equal a
recount of it.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.model.message import Key
from gateway.model.outcome import MessageClass, Outcome
from gateway.model.time import SiteTime
from gateway.spool import sealed, store
from gateway.spool.lifetime import HOUR_MS, lifetime
from gateway.spool.trace import TraceLine, trace
from gateway.store.sqlite import transaction
from tests.support.spooled import CIPHER, CLOSED, CONTRACTS, OPEN, message, spool_file

CLASSES = st.sampled_from(list(MessageClass))
CHOICE = st.integers(0, 1_000)
DEAD = "data"  # a dead letter of the data stream has no class that could be believed


@dataclass
class Place:
    """Where the model says that a message is."""

    number: int
    name: str
    leaves: bool
    expires: int | None
    outcome: str = "queued"
    batch: str | None = None

    @property
    def waits(self) -> bool:
        return self.outcome in {"queued", "sealed"}

    @property
    def kept(self) -> bool:
        """Whether its row is still in ``message``."""
        return self.waits or self.outcome == "parked"


class SpoolMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="spool-"))
        self.db = spool_file(self.folder / "spool.db")
        self.now = SiteTime(1_000_000)
        self.model: dict[Key, Place] = {}
        self.batches: dict[str, str] = {}  # sha256: waiting, delivered or parked
        self.kept: set[str] = set()  # batches whose bytes are still here
        self.next_seq = 0
        with transaction(self.db):
            store.remember(self.db, [OPEN, CLOSED])

    def teardown(self):
        if not hasattr(self, "folder"):
            return
        self.db.close()
        lines = asyncio.run(self.traced())
        found = Counter((one.epoch, one.stream, one.seq) for one in lines)
        assert found == Counter((key.epoch, key.stream.value, key.seq) for key in self.model)
        shown = {(one.stream, one.seq): one for one in lines}
        for key, place in self.model.items():
            line = shown[key.stream.value, key.seq]
            assert (line.message_class, line.outcome) == (place.name, place.outcome)
            assert line.batch == place.batch
        shutil.rmtree(self.folder)

    async def traced(self) -> list[TraceLine]:
        async with aiosqlite.connect(self.folder / "spool.db") as db:
            return [line async for line in trace(db)]

    def chosen(self, places: list[Place], choice: int, most: int = 3) -> list[Place]:
        start = choice % max(1, len(places))
        return places[start : start + most]

    @rule(classes=st.lists(CLASSES, min_size=1, max_size=4), closed=st.booleans())
    def admit(self, classes, closed):
        contract = CLOSED if closed else OPEN
        messages = []
        for one in classes:
            self.next_seq += 1
            messages.append(message(self.next_seq, one, contract=contract))
        with transaction(self.db):
            store.enqueue(self.db, messages, self.now, CONTRACTS, CIPHER)
        for one in messages:
            life = lifetime(contract.contract, one.message_class, self.now)
            row = self.db.execute("SELECT id FROM message WHERE seq = ?", (one.key.seq,)).fetchone()
            self.model[one.key] = Place(row[0], one.message_class.value, life.leaves, life.expires)

    @rule(count=st.integers(1, 4), message_class=CLASSES)
    def bury(self, count, message_class):
        keys = []
        for _ in range(count):
            self.next_seq += 1
            keys.append(message(self.next_seq, message_class).key)
        with transaction(self.db):
            store.bury(self.db, [(key, "contract") for key in keys], self.now)
        name = "alert" if message_class is MessageClass.ALERT else DEAD
        self.model |= {key: Place(0, name, False, None, "dead-lettered") for key in keys}  # noqa: FBT003

    @rule(message_class=CLASSES, choice=CHOICE, stale=st.booleans())
    def seal(self, message_class, choice, stale):
        mine = [p for p in self.model.values() if p.name == message_class.value and p.number]
        free = [place for place in mine if place.outcome == "queued"]
        gone = [place for place in mine if place.outcome != "queued"]
        places = self.chosen(free, choice) + (gone[:1] if stale else [])
        if not places:
            return
        sha256 = f"{len(self.batches):064x}"
        batch = store.SealedBatch(sha256, b"body", message_class, len(places), len(places))
        with transaction(self.db):
            done = store.seal(self.db, batch, [place.number for place in places], self.now, CIPHER)
        assert done is not any(place.outcome != "queued" for place in places)
        if done:
            self.batches[sha256] = "waiting"
            self.kept.add(sha256)
            for place in places:
                place.outcome, place.batch = "sealed", sha256

    def end(self, sha256: str, outcome: str):
        if self.batches.get(sha256) == "waiting":
            self.batches[sha256] = outcome
            for place in self.model.values():
                if place.batch == sha256:
                    place.outcome = outcome

    @precondition(lambda self: self.batches)
    @rule(choice=CHOICE, times=st.integers(1, 2))
    def delivered(self, choice, times):
        sha256 = list(self.batches)[choice % len(self.batches)]
        for _ in range(times):  # the second answer of the cloud changes nothing
            with transaction(self.db):
                store.delivered(self.db, sha256, self.now, HOUR_MS)
        self.end(sha256, "delivered")
        if self.batches[sha256] == "delivered":
            self.kept.discard(sha256)

    @precondition(lambda self: self.batches)
    @rule(choice=CHOICE)
    def park(self, choice):
        sha256 = list(self.batches)[choice % len(self.batches)]
        with transaction(self.db):
            store.park(self.db, sha256, "refused", self.now)
        self.end(sha256, "parked")

    @precondition(lambda self: self.batches)
    @rule(choice=CHOICE, drop=st.booleans())
    def decide_about_parked(self, choice, drop):
        sha256 = list(self.batches)[choice % len(self.batches)]
        with transaction(self.db):
            if drop:
                done = store.drop_parked(self.db, sha256, Outcome.SHED, self.now, why="operator")
            else:
                done = store.unpark(self.db, sha256)
        assert done is (self.batches[sha256] == "parked")
        if not done:
            return
        self.batches[sha256] = "shed" if drop else "waiting"
        if drop:
            self.kept.discard(sha256)
        for place in self.model.values():
            if place.batch == sha256:
                place.outcome = "shed" if drop else "sealed"

    @precondition(lambda self: self.batches)
    @rule(choice=CHOICE)
    def halve(self, choice):
        sha256 = list(self.batches)[choice % len(self.batches)]
        inside = [place for place in self.model.values() if place.batch == sha256]
        middle = max(1, len(inside) // 2)
        halves = [half for half in (inside[:middle], inside[middle:]) if half]
        names = [f"{len(self.batches) + n:064x}" for n in range(len(halves))]
        parts = []
        for name, half in zip(names, halves, strict=True):
            of = MessageClass(half[0].name)
            made = store.SealedBatch(name, b"half", of, len(half), len(half))
            parts.append(sealed.Part(made, tuple(place.number for place in half)))
        with transaction(self.db):
            done = sealed.reseal(self.db, sha256, parts, self.now, CIPHER)
        assert done is (self.batches[sha256] == "waiting")
        if not done:
            return
        self.batches[sha256] = "halved"
        self.kept.discard(sha256)
        for name, half in zip(names, halves, strict=True):
            self.batches[name] = "waiting"
            self.kept.add(name)
            for place in half:
                place.batch = name

    @precondition(lambda self: self.batches)
    @rule(hours=st.integers(0, 800), bytes_max=st.integers(0, 2_000))
    def hold_parked(self, hours, bytes_max):
        self.now = SiteTime(self.now + hours * HOUR_MS)
        with transaction(self.db):
            sealed.hold_parked(self.db, self.now, kept_h=720, bytes_max=bytes_max)
        left = {one for (one,) in self.db.execute("SELECT sha256 FROM batch")}
        for sha256, state in self.batches.items():
            if state != "parked" or sha256 in left:
                continue
            found = {one for (one,) in self.db.execute(
                "SELECT outcome FROM ended WHERE batch = ?", (sha256,))}  # fmt: skip
            assert found <= {"expired", "shed"}
            assert len(found) == 1
            self.batches[sha256] = outcome = found.pop()
            self.kept.discard(sha256)
            for place in self.model.values():
                if place.batch == sha256:
                    place.outcome = outcome

    @rule(choice=CHOICE)
    def withhold(self, choice):
        free = [place for place in self.model.values() if place.outcome == "queued"]
        places = self.chosen(free, choice)
        with transaction(self.db):
            store.withhold(self.db, [place.number for place in places])
        for place in places:
            place.leaves = False
            received = self.db.execute(
                "SELECT received_ms FROM message WHERE id = ?", (place.number,)
            ).fetchone()[0]
            place.expires = place.expires or received + store.WITHHELD_KEPT_H * HOUR_MS

    @rule(hours=st.integers(0, 40))
    def expire(self, hours):
        self.now = SiteTime(self.now + hours * HOUR_MS)
        with transaction(self.db):
            ended = store.expire(self.db, self.now)
            store.prune(self.db, self.now, trace_rows=10_000, alerts=10_000)
        over = [
            place
            for place in self.model.values()
            if place.outcome == "queued" and place.expires is not None
            if place.expires <= self.now
        ]
        assert ended == len(over)
        for place in over:
            place.outcome = "expired"

    @rule(contracts=st.sampled_from([[OPEN], [CLOSED], [OPEN, CLOSED]]))
    def restart(self, contracts):
        with transaction(self.db):
            known = store.remember(self.db, contracts)
        waiting = {sha for (sha,) in self.db.execute("SELECT contract FROM message")}
        assert waiting <= set(known) == waiting | {one.sha256 for one in contracts}
        with transaction(self.db):
            store.remember(self.db, [OPEN, CLOSED])

    @invariant()
    def each_message_is_where_the_model_says(self):
        rows = self.db.execute("SELECT stream, seq, batch, leaves, expires_ms FROM message")
        waiting = {(s, n): (b, bool(leaves), e) for s, n, b, leaves, e in rows}
        expected = {
            (key.stream.value, key.seq): (place.batch, place.leaves, place.expires)
            for key, place in self.model.items()
            if place.kept
        }
        assert waiting == expected
        ended = self.db.execute("SELECT stream, first_seq, last_seq, outcome, batch FROM ended")
        traced = [((s, n), (o, b)) for s, f, last, o, b in ended for n in range(f, last + 1)]
        assert len(dict(traced)) == len(traced)
        assert dict(traced) == {
            (key.stream.value, key.seq): (place.outcome, place.batch)
            for key, place in self.model.items()
            if not place.kept
        }

    @invariant()
    def depth_and_tally_equal_a_recount(self):
        recount = dict.fromkeys(
            (row for (row,) in self.db.execute("SELECT class FROM depth")), (0, 0)
        )
        rows = self.db.execute(
            "SELECT class, count(*), sum(size_bytes) FROM message WHERE batch IS NULL OR batch "
            "IN (SELECT sha256 FROM batch WHERE parked IS NULL) GROUP BY class"
        )
        recount |= {name: (count, size) for name, count, size in rows}
        depth = {n: (c, s) for n, c, s in self.db.execute("SELECT class, rows, bytes FROM depth")}
        assert depth == recount
        tally = {(n, o): c for n, o, c in self.db.execute("SELECT * FROM tally") if c}
        ended = Counter((p.name, p.outcome) for p in self.model.values() if not p.waits)
        assert tally == ended

    @invariant()
    def alerts_and_batches_follow_their_messages(self):
        for number, outcome in self.db.execute("SELECT message, outcome FROM alert"):
            places = [p for p in self.model.values() if p.number == number]
            assert [place.outcome for place in places] == [outcome]
        shown = {row for (row,) in self.db.execute("SELECT message FROM alert")}
        assert {p.number for p in self.model.values() if p.waits and p.name == "alert"} <= shown
        kept = {sha for (sha,) in self.db.execute("SELECT sha256 FROM batch")}
        assert kept == self.kept


EXAMPLES = max(50, settings().max_examples // 5)  # a step is a transaction on a file
SpoolMachine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=20)
TestSpool = SpoolMachine.TestCase
