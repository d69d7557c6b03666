"""What can be wrong with the broker, and what to do first."""

from typing import Final

from gateway.model.problem import Problem, Severity

BROKER_DOWN: Final = Problem(
    "broker-down",
    Severity.CRITICAL,
    "Devices cannot reach the gateway: the broker does not run",
    "The mosquitto process ended or does not answer the gateway's own test message.",
    "Wait a minute: the gateway restarts it. If this stays, look at the detail "
    "(a port in use, a missing package) and call the platform engineer.",
)

ALL: Final = (BROKER_DOWN,)
