"""Which steps bring a database file to this program's schema. Pure.

Migrations are expand/contract: what release N writes, release N-1 can read and write.
A step that an older program could not live with raises ``min_reader``. So a newer file
is served by an older program as long as its ``min_reader`` allows, and refused by name
otherwise: guessing would corrupt it.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a file's schema. ``statements`` run in one transaction."""

    version: int
    """1, 2, 3, ... without holes; stored as ``user_version``."""
    min_reader: int
    """The oldest schema version whose program may still open the file after this step."""
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TooNew:
    """The file was written by a program that this one cannot follow."""

    found: int
    min_reader: int
    known: int


def plan(
    found: int, min_reader: int, migrations: Sequence[Migration]
) -> tuple[Migration, ...] | TooNew:
    """Return the steps still to run on a file of version ``found``, or why it stays closed."""
    known = migrations[-1].version
    if found > known:
        return () if min_reader <= known else TooNew(found, min_reader, known)
    return tuple(step for step in migrations if step.version > found)
