"""Whatever devices send in whatever batches: each key ends in one place, no mark over a hole.

The model is a dict of contents by key and a set of declared gaps; the other side is the
real transaction with the real tables, in memory.
"""

import sqlite3
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.app.message import SpoolSide
from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.intake.deadletters import Bounds
from gateway.intake.receipt import EPOCHS_OPEN_MAX
from gateway.intake.store import admit
from gateway.model.room import boundless
from gateway.model.time import SiteTime
from gateway.store.sqlite import transaction
from tests.support.desk import CONTRACT, alert, data, status, undeclared
from tests.support.spooled import CIPHER

EPOCHS = st.integers(1, 7)
MAKES = {"data": data, "alert": alert, "undeclared": undeclared}


@st.composite
def messages(draw):
    """(kind, epoch, seq, base, content) of one message, or a status."""
    kind = draw(st.sampled_from([*MAKES, "status"]))
    seq = draw(st.integers(1, 9))
    base = draw(st.just(1) | st.integers(1, seq))
    return kind, draw(EPOCHS), seq, base, draw(st.sampled_from(["a", "a", "a", "b"]))


class AdmissionMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.execute("PRAGMA foreign_keys = ON")
        for step in SPOOL_MIGRATIONS:
            for statement in step.statements:
                self.db.execute(statement)
        self.now = 0
        self.sent: set[tuple[int, str, int]] = set()
        self.gaps: set[tuple[int, str, int]] = set()
        self.ended_epochs: set[int] = set()

    def teardown(self):
        if hasattr(self, "db"):
            self.db.close()

    @rule(batch=st.lists(messages(), min_size=1, max_size=6))
    def commit(self, batch):
        self.now += 1
        arrivals = []
        for kind, epoch, seq, base, content in batch:
            if kind == "status":
                arrivals.append(status(epoch))
                continue
            stream = "alert" if kind == "alert" else "data"
            more = {} if kind == "undeclared" else {"content": content}
            arrivals.append(MAKES[kind](seq, epoch=epoch, base=base, **more))
            self.sent.add((epoch, stream, seq))
            self.gaps |= {(epoch, stream, one) for one in range(1, base)}
        with transaction(self.db):
            result = admit(
                self.db,
                arrivals,
                now=SiteTime(self.now),
                spool=SpoolSide({CONTRACT.sha256: CONTRACT}, lambda _: boundless(), CIPHER),
                bounds=Bounds(1000, 64),
            )
        answered = {receipt.epoch: receipt for _, receipt in result.receipts}
        assert len(answered) == len(result.receipts)
        assert set(answered) == {epoch for _, epoch, *_ in batch}
        for epoch, receipt in answered.items():
            self.judge(epoch, receipt)

    def judge(self, epoch, receipt):
        conflict = any(reason == "conflict" for _, _, reason in receipt.refused)
        if conflict:
            self.ended_epochs.add(epoch)
        if epoch in self.ended_epochs:
            assert conflict, "a conflicted or closed epoch says so each time"
            assert (receipt.alert, receipt.data) == (0, 0)
        places = set(self.places())
        for stream, mark in (("alert", receipt.alert), ("data", receipt.data)):
            for seq in range(1, mark + 1):
                key = (epoch, stream, seq)
                assert key in places or key in self.gaps, f"the mark {mark} is over a hole"

    def places(self):
        waiting = self.db.execute("SELECT epoch, stream, seq FROM message").fetchall()
        ended = self.db.execute("SELECT epoch, stream, first_seq, last_seq FROM ended").fetchall()
        return waiting + [(e, s, n) for e, s, first, last in ended for n in range(first, last + 1)]

    @invariant()
    def every_message_is_in_one_place_and_was_sent(self):
        counted = Counter(self.places())
        assert [key for key, times in counted.items() if times > 1] == []
        assert set(counted) <= self.sent

    @invariant()
    def four_epochs_are_open_at_most(self):
        row = self.db.execute("SELECT count(*) FROM origin WHERE state <> 'closed'").fetchone()
        assert row[0] <= EPOCHS_OPEN_MAX

    @invariant()
    def marks_and_digests_fit_what_is_stored(self):
        rows = self.db.execute(
            "SELECT epoch, stream, seq FROM seen JOIN origin ON origin.id = seen.origin"
        ).fetchall()
        assert set(rows) <= set(self.places())


# A step is a transaction: fewer of them, so that a run stays far from its time limit.
EXAMPLES = max(50, settings().max_examples // 4)
AdmissionMachine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=12)
TestAdmission = AdmissionMachine.TestCase
