"""The ``[audit]`` section: how long, and how much of, what was done stays on record."""

from typing import Annotated

import msgspec


class AuditLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the audit log."""

    kept_days: Annotated[int, msgspec.Meta(ge=30, le=36_525)] = 3_653
    """Blocks of 1,000 entries that are older than this are dropped; the log says which."""
    entries_max: Annotated[int, msgspec.Meta(ge=10_000, le=10_000_000)] = 200_000
    """Beyond so many entries the oldest 1,000 are dropped, whatever their age; the log says so."""
