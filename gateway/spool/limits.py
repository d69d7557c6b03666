"""The ``[spool]`` section: how much may wait, how much is kept of what has ended."""

from typing import Annotated, Final

import msgspec

from gateway.model.outcome import MessageClass

MIB: Final = 1_048_576
GIB: Final = 1_073_741_824
Bytes = Annotated[int, msgspec.Meta(ge=MIB, le=1_024 * GIB)]
EXPIRED_A_SWEEP_MAX: Final = 5_000
"""Messages that one sweep ends in one transaction."""


class SpoolLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the spool."""

    bytes_max: Bytes = 4 * GIB
    """All that the queue's file may hold: messages, sealed and parked batches, marks, trace."""
    alert_reserve_bytes: Bytes = 512 * MIB
    """Of ``bytes_max`` and of the disk, what only alerts may take."""
    alert_bytes_max: Bytes = 2 * GIB
    """Alerts that wait; beyond it new ones stay on their devices."""
    error_log_bytes_max: Bytes = GIB
    """Messages of logs with an error that wait; beyond it the oldest are given up."""
    result_bytes_max: Bytes = 3 * GIB
    """Results that wait; beyond it the oldest are given up."""
    metric_bytes_max: Bytes = GIB
    """Metrics that wait; beyond it the oldest are given up."""
    log_bytes_max: Bytes = GIB
    """Other logs that wait; beyond it the oldest are given up."""
    tight_percent: Annotated[int, msgspec.Meta(ge=10, le=99)] = 85
    """Share of the room for data from which on devices are asked to hold theirs back."""
    state_reserve_bytes: Annotated[int, msgspec.Meta(ge=MIB, le=64 * GIB)] = 32 * MIB
    """Size of a file that keeps disk space for ``state.db`` and for making room."""
    trace_rows_max: Annotated[int, msgspec.Meta(ge=1_000, le=10_000_000)] = 200_000
    """Ended ranges of messages kept for ``spool trace``; the oldest go first."""
    alerts_shown_max: Annotated[int, msgspec.Meta(ge=10, le=100_000)] = 2_000
    """Alerts kept for the page after they ended; those that still wait are never dropped."""
    sweep_every_s: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 60
    """How often retention is enforced."""
    look_every_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5
    """How often the room on the disk is looked at, beside each commit."""

    def of_class(self, message_class: MessageClass) -> int:
        """Return how many bytes of a class may wait."""
        match message_class:
            case MessageClass.ALERT:
                return self.alert_bytes_max
            case MessageClass.ERROR_LOG:
                return self.error_log_bytes_max
            case MessageClass.RESULT:
                return self.result_bytes_max
            case MessageClass.METRIC:
                return self.metric_bytes_max
            case MessageClass.LOG:
                return self.log_bytes_max


def budget_findings(limits: SpoolLimits) -> list[str]:
    """Return what no gateway could keep to, as sentences; [] if nothing."""
    if 2 * limits.alert_reserve_bytes > limits.bytes_max:
        msg = (
            f"spool.alert_reserve_bytes: {limits.alert_reserve_bytes} is more than half of "
            f"spool.bytes_max, {limits.bytes_max}: lower the reserve or raise the budget"
        )
        return [msg]
    return []
