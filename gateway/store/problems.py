"""What can be wrong with the database files, and what to do first."""

from typing import Final

from gateway.model.problem import Problem, Severity

QUEUE_DAMAGED: Final = Problem(
    "queue-damaged",
    Severity.CRITICAL,
    "The file of the queue was damaged; the detail says what was lost",
    "A power cut on a disk that does not sync, or a disk that fails. The damaged file was set "
    "aside beside the new one, and what could be read was taken over. Devices, keys and budgets "
    "lie in another file and are untouched.",
    "Check the data disk (smartctl, the system's log) and replace it if it reports errors. What "
    "devices still hold they send again. The notice goes away after seven "
    "days, and with it the file that was set aside.",
)

ALL: Final = (QUEUE_DAMAGED,)
