"""The marks of a stream against a model of a dict, through batches and forgotten digests."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.intake.receipt import AHEAD_MAX, DIGESTS_KEPT, Admission, Marks

CONTENT = st.sampled_from([b"a", b"b"])
NEAR = st.integers(-4, 6)
FAR = st.sampled_from(
    [AHEAD_MAX - 1, AHEAD_MAX, AHEAD_MAX + 1, -DIGESTS_KEPT - 1, -DIGESTS_KEPT, -DIGESTS_KEPT + 1]
)


class MarksMachine(RuleBasedStateMachine):
    """The model: every content ever admitted by number, and the highest base declared."""

    @initialize()
    def begin(self):
        self.disk: dict[int, bytes] = {}
        self.held: dict[int, bytes] = {}
        self.declared = 0
        self.lost = 0
        self.load(0)

    def load(self, mark: int):
        ahead = {seq: one for seq, one in self.disk.items() if seq > mark}
        self.marks = Marks(mark, ahead, self.disk.get)

    @rule()
    def commit(self):
        self.disk |= self.marks.stored
        self.lost += self.marks.lost
        mark = self.marks.mark
        self.disk = {seq: one for seq, one in self.disk.items() if seq > mark - DIGESTS_KEPT}
        self.load(mark)

    @rule(offset=NEAR | FAR, content=CONTENT, behind=st.none() | st.integers(0, 3))
    def offer(self, offset: int, content: bytes, behind: int | None):
        seq = max(1, self.marks.mark + offset)
        base = 1 if behind is None else max(1, seq - behind)
        mark = self.marks.mark
        answer = self.marks.offer(seq, base, content)
        if seq in self.held and self.held[seq] == content:
            forgotten = seq <= mark - DIGESTS_KEPT
            assert answer is Admission.DUPLICATE or (forgotten and answer is Admission.CONFLICT)
        elif seq in self.held or seq <= mark - DIGESTS_KEPT:
            assert answer is Admission.CONFLICT
        elif seq > max(mark, base - 1) + AHEAD_MAX:
            assert answer is Admission.BEYOND
        else:
            assert answer is Admission.NEW
            self.held[seq] = content
        if answer in {Admission.NEW, Admission.DUPLICATE}:
            self.declared = max(self.declared, base - 1)

    @rule(step=st.integers(1, 30_000), content=CONTENT)
    def overflow(self, step: int, content: bytes):
        """The device dropped everything before its newest message."""
        seq = self.marks.mark + step
        if seq not in self.held:
            assert self.marks.offer(seq, seq, content) is Admission.NEW
            self.held[seq] = content
            self.declared = max(self.declared, seq - 1)

    @invariant()
    def a_mark_never_stands_over_a_hole(self):
        mark = self.declared
        while mark + 1 in self.held:
            mark += 1
        assert self.marks.mark == mark

    @invariant()
    def what_is_lost_is_what_was_declared_and_never_came(self):
        came = sum(seq <= self.marks.mark for seq in self.held)
        assert self.lost + self.marks.lost == self.marks.mark - came


MarksMachine.TestCase.settings = settings(stateful_step_count=30)
TestMarks = MarksMachine.TestCase
