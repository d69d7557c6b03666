"""A table that holds sealed values, described so that one walk can seal any of them anew. Pure.

The SQL is the owner's: each capability describes its own tables in its store.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SealedTable:
    """How to find the sealed values of a table, where each belongs, and how to write one anew."""

    name: str
    scan: str
    """``(after, most)``: (id, key id) of rows with a greater id, in ascending order."""
    select: str
    """``(id,)``: key id, sealed value, then whatever ``place`` and ``plain`` need."""
    place: Callable[[tuple[Any, ...]], str]
    """Where the value of a selected row belongs."""
    update: str
    """``(sealed value, key id, id)``."""
    plain: Callable[[tuple[Any, ...]], bytes] | None = None
    """What a row of the first schema says, if that stored it in other columns (value NULL)."""
