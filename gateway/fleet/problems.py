"""What can be wrong with a device as such, and what to do first."""

from typing import Final

from gateway.model.problem import Problem, Severity

DEVICE_SILENT: Final = Problem(
    "device-silent",
    Severity.WARNING,
    "A device is not connected",
    "Its connection to the gateway ended: power, cable, network or the device itself.",
    "Look whether the device has power and its network cable is in. It sends what it kept "
    "as soon as it is back.",
)

ALL: Final = (DEVICE_SILENT,)
