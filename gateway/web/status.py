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
RoomLevel = Literal["ok", "tight", "full"]
HorizonLimit = Literal["retention", "room"]
HorizonRates = Literal["planned", "measured", "unknown"]
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


class GapStatus(msgspec.Struct, frozen=True):
    """What one device missed over some days.

    ``declared_lost`` is what the device itself gave up. ``lost`` is what the gateway had taken
    and could neither deliver nor keep, since the queue's file exists.
    """

    device: str
    received: int
    lost: int
    duplicates: int
    declared_lost: int
    offline_s: int


class GapsStatus(msgspec.Struct, frozen=True):
    """The last ``days`` days, today (UTC) included."""

    days: int
    devices: list[GapStatus]


class WearStatus(msgspec.Struct, frozen=True):
    """Bytes that gateway and broker wrote to the disk, and the mean of ``days`` days before."""

    today_bytes: int
    mean_bytes: int | None
    days: int


class ClassHorizonStatus(msgspec.Struct, frozen=True, rename={"message_class": "class"}):
    """How long a class goes without a loss in an outage; ``hours`` null: no end in sight.

    ``limit`` says what ends its first message, ``key`` the setting that is too small for more.
    """

    message_class: str
    leaves: bool
    hours: float | None
    limit: HorizonLimit | None
    key: str | None
    messages_per_h: float
    bytes_per_h: float
    kept_h: float | None


class HorizonStatus(msgspec.Struct, frozen=True):
    """The outage of the cloud that this site survives from now on.

    ``data_hours`` and ``alert_hours`` count what may leave; null: no end in sight.
    ``rates`` are planned in the configuration or measured over ``measured_h`` hours.
    """

    rates: HorizonRates
    measured_h: float
    data_hours: float | None
    alert_hours: float | None
    classes: list[ClassHorizonStatus]


class RoomStatus(msgspec.Struct, frozen=True):
    """The queue's room, by what bounds it now. Bytes are below 0 where a bound is overstepped.

    ``tight``: devices are asked to hold their data; ``full``: data is not taken, and the oldest
    makes room. ``alerts_held``: there is no room for alerts either, so devices keep them.
    """

    level: RoomLevel
    bound: Literal["budget", "disk"]
    capacity_bytes: int
    data_room_bytes: int
    alert_room_bytes: int
    alerts_held: bool


class TrafficStatus(msgspec.Struct, frozen=True):
    """What one device sent in the last minute, counted before anything is read of it."""

    device: str
    messages: int
    bytes: int
    percent: int


class Status(msgspec.Struct, frozen=True):
    """The whole document. ``privacy`` names the contracts that let result rows leave.

    ``gaps`` holds the devices that missed most, ``spool gaps`` has all. ``room`` is null until
    it was looked at. ``traffic`` holds the devices that sent most, the loudest first.
    """

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
    gaps: GapsStatus
    wear: WearStatus
    horizon: HorizonStatus
    room: RoomStatus | None
    traffic: list[TrafficStatus]
