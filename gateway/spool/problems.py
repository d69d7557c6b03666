"""What can be wrong with the queue on the disk, and what to do first."""

from typing import Final

from gateway.model.problem import Problem, Severity

DATA_HELD_BACK: Final = Problem(
    "data-held-back",
    Severity.WARNING,
    "The queue has reached its budget: devices are asked to keep their results",
    "The cloud was away for long, or more comes in than may leave. Alerts go on as usual.",
    "Bring the connection to the cloud back. If it is there, let the platform engineer raise "
    "spool.data_bytes_max or shorten what the data contracts keep.",
)

ALL: Final = (DATA_HELD_BACK,)
