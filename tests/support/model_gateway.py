"""A model of the gateway's side of protocol version 1, as small as it can be.

It keeps everything in dicts and answers as docs/device-protocol.md says, so that a device
can be tested without a gateway, and the shared sequences against something. It judges
keys and marks only; what is inside an envelope is other tests' business.
"""

from dataclasses import dataclass, field
from typing import Any

AHEAD_MAX = 10_000
STREAMS = ("alert", "data")


@dataclass
class Epoch:
    marks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    stored: dict[tuple[str, int], Any] = field(default_factory=dict)
    """Content by (stream, seq), also past a hole."""
    gaps: set[tuple[str, int]] = field(default_factory=set)
    """Declared: numbers that the device no longer holds and that never came."""
    conflict: tuple[str, int] | None = None


@dataclass
class ModelGateway:
    """The answers, and what is on its disk. ``paused`` is said in every receipt."""

    epochs: dict[int, Epoch] = field(default_factory=dict)
    paused: bool = False
    reasons: dict[object, str] = field(default_factory=dict)
    """Contents that are refused, and why: they take their place all the same."""

    def status(self, epoch: int) -> dict[str, Any]:
        """Answer an online status that was not retained; it opens no epoch."""
        known = self.epochs.get(epoch, Epoch())
        return self._receipt(epoch, known, None)

    def message(
        self, epoch: int, stream: str, seq: int, base: int, content: object
    ) -> dict[str, Any]:
        known = self.epochs.setdefault(epoch, Epoch())
        if known.conflict is not None:
            return self._receipt(epoch, known, None)
        self._skip(known, stream, base)
        key = (stream, seq)
        if seq > known.marks[stream] + AHEAD_MAX:
            return self._receipt(epoch, known, (stream, seq, "beyond-window"))
        if key in known.stored and known.stored[key] != content:
            known.conflict = key
            return self._receipt(epoch, known, None)
        known.stored[key] = content
        known.gaps.discard(key)  # it was declared lost, and came after all
        self._advance(known, stream)
        reason = self.reasons.get(content)
        return self._receipt(epoch, known, (stream, seq, reason) if reason else None)

    def _skip(self, known: Epoch, stream: str, base: int) -> None:
        """Declare a gap: what lies below ``base`` and has not come will not come."""
        for seq in range(known.marks[stream] + 1, base):
            if (stream, seq) not in known.stored:
                known.gaps.add((stream, seq))
            known.marks[stream] = seq

    def _advance(self, known: Epoch, stream: str) -> None:
        while (stream, known.marks[stream] + 1) in known.stored:
            known.marks[stream] += 1

    def _receipt(
        self, epoch: int, known: Epoch, refused: tuple[str, int, str] | None
    ) -> dict[str, Any]:
        marks = dict(known.marks)
        if known.conflict is not None:
            marks, refused = dict.fromkeys(STREAMS, 0), (*known.conflict, "conflict")
        receipt: dict[str, Any] = {"epoch": epoch, **marks}
        if self.paused:
            receipt["pause"] = ["data"]
        if refused is not None:
            receipt["refused"] = [list(refused)]
        return receipt
