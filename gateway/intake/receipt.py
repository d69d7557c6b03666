"""How far a receipt may go: contiguous marks, declared gaps, conflicts. Pure.

A mark moves only while ``seq == mark + 1``: with "the highest seq of the batch" a device
would free messages that never arrived (measured: 787 of 23,780 lost in 30 kills).
``ahead`` remembers what is stored beyond a hole, by digest. Digests at or below the mark
are kept for ``DIGESTS_KEPT`` numbers, so that a resend is told from other content under
the same number.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

AHEAD_MAX: Final = 10_000
"""A seq this far beyond the mark is refused: the device is broken or hostile."""
DIGESTS_KEPT: Final = 10_000
EPOCHS_OPEN_MAX: Final = 4
EPOCHS_CLOSED_KEPT: Final = 64


class Admission(Enum):
    """What a message is to its stream."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    BEYOND = "beyond"


@dataclass(slots=True)
class Marks:
    """One stream of one epoch, updated in place by ``offer``.

    ``known(seq)`` gives the digest that is stored for a number at or below the mark.
    """

    mark: int
    ahead: dict[int, bytes]
    known: Callable[[int], bytes | None]
    lost: int = 0
    """Messages that the device declared lost, less those that came after all."""
    stored: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """What this batch admitted: seq to digest."""

    def offer(self, seq: int, base: int, digest: bytes) -> Admission:
        """Admit message ``seq`` of a device that still holds everything from ``base`` on.

        ``1 <= base <= seq``; the caller's parser checks that.
        """
        if seq in self.ahead and self.ahead[seq] != digest:
            return Admission.CONFLICT
        if seq > max(self.mark, base - 1) + AHEAD_MAX:
            return Admission.BEYOND
        if base > self.mark + 1:
            self._declare_gap(base)
        if seq <= self.mark:
            return self._behind(seq, digest)
        if seq in self.ahead:
            return Admission.DUPLICATE
        self.ahead[seq] = self.stored[seq] = digest
        self._advance()
        return Admission.NEW

    def has(self, seq: int) -> bool:
        """Say whether ``seq`` lies at or below the mark and is stored: a resend takes no room."""
        return seq <= self.mark and (seq in self.stored or self.known(seq) is not None)

    def _declare_gap(self, base: int) -> None:
        had = [seq for seq in self.ahead if seq < base]
        self.lost += base - 1 - self.mark - len(had)
        for seq in had:
            del self.ahead[seq]
        self.mark = base - 1
        self._advance()

    def _advance(self) -> None:
        while self.mark + 1 in self.ahead:
            self.mark += 1
            del self.ahead[self.mark]

    def _behind(self, seq: int, digest: bytes) -> Admission:
        stored = self.stored.get(seq) or self.known(seq)
        if stored is not None:
            return Admission.DUPLICATE if stored == digest else Admission.CONFLICT
        if seq <= self.mark - DIGESTS_KEPT:
            return Admission.CONFLICT  # nobody can tell any more what stood there
        # In a declared gap, and here it is after all: it was never stored.
        self.stored[seq] = digest
        self.lost -= 1
        return Admission.NEW
