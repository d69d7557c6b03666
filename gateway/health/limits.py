"""The ``[audit]`` and ``[plan]`` sections: what stays on record, what the site has to survive."""

from typing import Annotated

import msgspec


class AuditLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the audit log."""

    kept_days: Annotated[int, msgspec.Meta(ge=30, le=36_525)] = 3_653
    """Blocks of 1,000 entries that are older than this are dropped; the log says which."""
    entries_max: Annotated[int, msgspec.Meta(ge=10_000, le=10_000_000)] = 200_000
    """Beyond so many entries the oldest 1,000 are dropped, whatever their age; the log says so."""


BytesPerHour = Annotated[int, msgspec.Meta(ge=0, le=1_099_511_627_776)]


class PlanLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the site is planned for. Nothing is refused by it; the horizon is judged by it."""

    outage_h: Annotated[float, msgspec.Meta(ge=0, le=8_784)] = 0
    """Outage of the cloud that this site has to survive, in hours; 0: nobody demands any."""
    alert_bytes_per_h: BytesPerHour = 0
    """Alerts with their pictures, all devices together. All rates 0: measured ones count."""
    error_log_bytes_per_h: BytesPerHour = 0
    """Messages of logs that hold an error."""
    result_bytes_per_h: BytesPerHour = 0
    """Messages of results."""
    metric_bytes_per_h: BytesPerHour = 0
    """Messages of metrics."""
    log_bytes_per_h: BytesPerHour = 0
    """Messages of logs without an error."""
