"""The status document: what the gateway says about itself, to the page and to commands.

``GET /v1/status`` on the page and on the control socket serve exactly this, and
``site-gateway status --json`` prints it. Field names leave the process, so they are
spelled for ever; ``docs/openapi.yaml`` holds the same schema and a test compares them.
Times are Unix milliseconds by the gateway's clock; ages are seconds.
"""

from typing import Literal

import msgspec

from gateway.model.access import Access
from gateway.model.outcome import Outcome
from gateway.model.problem import Severity

BrokerState = Literal["running", "starting", "down"]
DeviceState = Literal["online", "offline", "never-seen"]
UplinkState = Literal["online", "degraded", "offline", "misconfigured", "off"]
AlertSeverity = Literal["critical", "major", "minor", "warning"]


class BrokerStatus(msgspec.Struct, frozen=True):
    """The MQTT broker. ``pid`` is null where another service manager owns it."""

    pid: int | None
    state: BrokerState


class DeviceStatus(msgspec.Struct, frozen=True):
    """One device; ``alert`` and ``data`` are the receipt marks of its streams."""

    id: str
    profile: str
    state: DeviceState
    access: Access
    last_seen_ms: int | None
    epoch: int | None
    alert: int
    data: int


class QueueStatus(msgspec.Struct, frozen=True):
    """Messages of one class that have no outcome yet."""

    rows: int
    bytes: int
    oldest_s: float | None


class SpoolStatus(msgspec.Struct, frozen=True, rename={"error_log": "error-log"}):
    """The queue, class by class, in the order in which it leaves the site."""

    alert: QueueStatus
    error_log: QueueStatus
    result: QueueStatus
    metric: QueueStatus
    log: QueueStatus


class UplinkStatus(msgspec.Struct, frozen=True):
    """The way to the cloud. ``parked`` counts batches that the cloud refused for good."""

    state: UplinkState
    since_ms: int | None
    parked: int
    last_error: str | None


class AlertStatus(msgspec.Struct, frozen=True):
    """An alert, newest first in its list. ``picture`` is a path on this page, or null."""

    id: int
    device: str
    kind: str
    severity: AlertSeverity
    label: str
    score: float
    received_ms: int
    picture: str | None
    outcome: Outcome


class ProblemStatus(msgspec.Struct, frozen=True):
    """A problem that stands now, with the words of the vocabulary."""

    code: str
    subject: str
    since_ms: int
    severity: Severity
    title: str
    cause: str
    action: str
    detail: str


class Status(msgspec.Struct, frozen=True):
    """The whole document. ``privacy`` names the contracts that let result rows leave."""

    version: str
    pid: int
    site: str
    broker: BrokerStatus
    devices: list[DeviceStatus]
    spool: SpoolStatus
    uplink: UplinkStatus
    alerts: list[AlertStatus]
    problems: list[ProblemStatus]
    privacy: list[str]
    counters: dict[str, int]
    time_ms: int
