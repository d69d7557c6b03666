"""The ``[spool]`` section: how much is kept of what has ended, and how often it is swept."""

from typing import Annotated, Final

import msgspec

EXPIRED_A_SWEEP_MAX: Final = 5_000
"""Messages that one sweep ends in one transaction."""


class SpoolLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the spool."""

    data_bytes_max: Annotated[int, msgspec.Meta(ge=1_048_576, le=1_099_511_627_776)] = 4_294_967_296
    """Bytes of results, metrics and logs; above it devices are asked to hold their data back."""
    trace_rows_max: Annotated[int, msgspec.Meta(ge=1_000, le=10_000_000)] = 200_000
    """Ended ranges of messages kept for ``spool trace``; the oldest go first."""
    alerts_shown_max: Annotated[int, msgspec.Meta(ge=10, le=100_000)] = 2_000
    """Alerts kept for the page after they ended; those that still wait are never dropped."""
    sweep_every_s: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 60
    """How often retention is enforced."""
