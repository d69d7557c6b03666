"""What can be wrong with the uplink, and what a person does first."""

from typing import Final

from gateway.model.problem import Problem, Raised, Severity
from gateway.uplink.connectivity import Link, Standing
from gateway.uplink.trip import Refusals

SUBJECT: Final = "uplink"

UPLINK_OFFLINE: Final = Problem(
    code="uplink-offline",
    severity=Severity.WARNING,
    title="The cloud cannot be reached",
    cause="The internet connection of the site or the cloud itself is down, or a network's "
    "sign-in page answers in its place. Alerts and data are kept here meanwhile.",
    action="Check the site's internet connection. If other services work, ask the platform "
    "team whether the cloud is up. Nothing has to be restarted here: sending goes on by itself.",
)
UPLINK_MISCONFIGURED: Final = Problem(
    code="uplink-misconfigured",
    severity=Severity.CRITICAL,
    title="The cloud turns this gateway away",
    cause="The address, the certificate or the permission of this gateway is not what the "
    "cloud expects, or the clock is wrong. Waiting alone does not help.",
    action="Platform team: read the detail, then correct [uplink] in gateway.toml or the "
    "files that it names. New files are noticed within seconds.",
)
BATCHES_PARKED: Final = Problem(
    code="batches-parked",
    severity=Severity.WARNING,
    title="The cloud refused some of the data for good",
    cause="The cloud answered that it will never take these batches. They are kept here, "
    "and what came after them was sent.",
    action="Platform team: 'site-gateway spool parked list' names them and why. Compare the "
    "versions of the gateway and the cloud service; then retry, export or drop them.",
)
PARKING_TRIPPED: Final = Problem(
    code="parking-tripped",
    severity=Severity.CRITICAL,
    title="The cloud refuses so much that nothing more is set aside",
    cause="Too many batches were refused for good, one after the other or within an hour. The "
    "fault is then not in single messages, but in a version or setting of the gateway or the "
    "cloud. What is refused waits in the queue; what the cloud still takes is sent.",
    action="Platform team: read the reason in the detail and repair the cause. Then run "
    "'site-gateway spool parked resume'.",
)


def of_standing(standing: Standing, *, tripped: bool = False) -> Raised | None:
    """Return the problem that a standing is, if it is one that ``of_refusals`` does not name."""
    match standing.link:
        case Link.OFFLINE:
            return Raised(UPLINK_OFFLINE, SUBJECT, standing.last_error)
        case Link.MISCONFIGURED if not tripped:
            return Raised(UPLINK_MISCONFIGURED, SUBJECT, standing.last_error)
        case Link.ONLINE | Link.DEGRADED | Link.MISCONFIGURED | Link.OFF:
            return None


def of_parked(batches: int, reason: str) -> Raised | None:
    """Return the problem that parked batches are. ``reason`` is that of the last one."""
    if batches == 0:
        return None
    detail = f"{batches} batches are parked" if batches > 1 else "1 batch is parked"
    return Raised(BATCHES_PARKED, SUBJECT, f"{detail}; {reason}" if reason else detail)


def of_refusals(refusals: Refusals) -> Raised | None:
    """Return the problem that too many refusals are."""
    return Raised(PARKING_TRIPPED, SUBJECT, refusals.why) if refusals.tripped else None
