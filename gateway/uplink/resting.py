"""Batches that the cloud did not take, each with a wait of its own, so that others go between.

A batch that never gets a good answer must not hold back all that comes after it. So only
what shows that the *way* is bad stops everything (``pause``): no answer although the try
before got none either, or a cloud that asks for a pause. Whatever can be the fault of one
batch lets that batch rest alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.model.time import Instant
from gateway.uplink.connectivity import Link

REMEMBERED_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Rest:
    """How often a batch failed, and until when it rests."""

    failures: int
    until: Instant


@dataclass(frozen=True, slots=True)
class Resting:
    """Every batch that failed and has not ended, by its digest.

    Bounded as what is sealed is (``turn.RESTING_A_CLASS_MAX``), and by ``REMEMBERED_MAX``:
    what was shed meanwhile is forgotten first. In memory only: after a start each batch
    gets a chance at once.
    """

    batches: Mapping[str, Rest] = field(default_factory=dict[str, Rest])

    def failures(self, sha256: str) -> int:
        """Return how often the batch has failed in a row."""
        rest = self.batches.get(sha256)
        return 0 if rest is None else rest.failures

    def failed(self, sha256: str, until: Instant) -> "Resting":
        """Note one more failure of a batch, which rests until then."""
        rest = Rest(self.failures(sha256) + 1, until)
        known = {**self.batches, sha256: rest}
        if len(known) > REMEMBERED_MAX:
            known.pop(min(known, key=lambda name: known[name].until))
        return replace(self, batches=known)

    def ended(self, sha256: str) -> "Resting":
        """Forget a batch that is there no more."""
        kept = {name: rest for name, rest in self.batches.items() if name != sha256}
        return replace(self, batches=kept)

    def awake(self, now: Instant) -> "Resting":
        """Give every batch a chance now. How often it failed is remembered."""
        woken = {
            name: replace(rest, until=min(rest.until, now)) for name, rest in self.batches.items()
        }
        return replace(self, batches=woken)

    def at(self, now: Instant) -> frozenset[str]:
        """Return the batches that rest."""
        return frozenset(name for name, rest in self.batches.items() if rest.until > now)

    def first_in_s(self, now: Instant) -> float | None:
        """Return the seconds until the first of them may be tried again; None: none rests."""
        ends = [rest.until - now for rest in self.batches.values() if rest.until > now]
        return min(ends, default=None)


def stops_all(link: Link, *, answered: bool, asked: bool) -> bool:
    """Tell whether a failed try says that the way is bad, and not only this batch.

    ``link`` is how the uplink stood before the try; ``asked``: the cloud named a pause.
    """
    return asked or (not answered and link is not Link.ONLINE)


def woken(before: Link, after: Link) -> bool:
    """Tell whether all that rests gets a chance now: the cloud is back after it was away.

    Not after each hiccup, or one batch that always fails would be tried after each other one.
    """
    return after is Link.ONLINE and before in {Link.OFFLINE, Link.MISCONFIGURED}
