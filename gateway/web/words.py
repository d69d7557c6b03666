"""Every word that a person reads on the page, in one place and in plain English.

Rules: short sentences, no jargon where a technician has a word for it, the thing to do
addressed to the person who can do it. A time inside a sentence is a ``Moment``, so that
the page can show it by the viewer's own clock. Units of numbers stand in ``measures``;
the texts of raised problems come from the capability that raises them.
"""

from dataclasses import dataclass
from typing import Final

from gateway.model.access import Access
from gateway.model.outcome import Outcome
from gateway.web.measures import about, plural, size, span, span_exactly
from gateway.web.status import (
    AlertSeverity,
    BrokerState,
    DeviceState,
    GapStatus,
    HorizonStatus,
    RoomLevel,
    RoomStatus,
    TrafficStatus,
    UplinkState,
    WearStatus,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time inside a sentence, in Unix milliseconds."""

    ms: int


Sentence = tuple[str | Moment, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What a person is told where no problem of the vocabulary stands."""

    title: str
    cause: str
    action: str


LANGUAGE: Final = "en-GB"
PRODUCT: Final = "Site Gateway"

# ------------------------------------------------------------------ is the line fine?
FINE: Final = "The line is fine"
LOOK: Final = "The line runs, but needs a look"
ACT: Final = "The line needs help now"
EMPTY: Final = "No devices yet"
EMPTY_ACTION: Final = (
    "Add the first one on the gateway: site-gateway device add <id> --profile <name> --out <folder>"
)
NOTHING_TO_DO: Final = "Nothing to do."
TITLES: Final = {"check": "Fine", "triangle": "Look", "cross": "Act", "ring": "Empty"}
"""What the browser's tab says before the site's name."""

LIVE: Final = "Live"
NOT_LIVE: Final = "Not live"
RELOADS: Final = "Reloads every 10 s"
LOST: Final = "Connection to the gateway lost."
LOST_SINCE: Final = "What you see below is from"
LOST_ACTION: Final = "Check that you are on the right network. The page tries again by itself."
FULL: Final = "Too many pages are open, so this one does not update by itself."
FULL_ACTION: Final = "Close another one, then reload this page."

# ------------------------------------------------------------------ headings and labels
PROBLEMS: Final = "What to do"
DEVICES: Final = "Devices"
ALERTS: Final = "Last alerts"
QUEUE: Final = "Queue"
LINKS: Final = "Connections"
STORAGE: Final = "Storage"
GAPS: Final = "What devices missed"
PRIVACY: Final = "What leaves this site"
WHY: Final = "Why"
DO_FIRST: Final = "Do first"
SINCE: Final = "since"
SINCE_ALONE: Final = "Since"
CODE: Final = "Code"
FIND: Final = "Find a device"
FOUND_NONE: Final = "No device has that name."
NO_ALERTS: Final = "No alerts yet."
NO_DEVICES: Final = "None has been added."
NO_PICTURE: Final = "No picture"
RAW: Final = "Show everything as data"
NOT_PRIVATE: Final = (
    "This line's contract lets result rows leave the site; that is not differentially private."
)

# ------------------------------------------------------------------ devices
DEVICE_STATE: Final[dict[DeviceState, str]] = {
    "online": "Online",
    "offline": "Offline",
    "never-seen": "Not seen yet",
}
DEVICE_ACCESS: Final[dict[Access, str]] = {
    Access.ADMITTED: "",
    Access.PROVISIONAL: "Not verified yet",
    Access.QUARANTINED: "Cut off: its software is not what it should be",
    Access.REVOKED: "Removed from this line",
}

# ------------------------------------------------------------------ alerts
ALERT_SEVERITY: Final[dict[AlertSeverity, str]] = {
    "critical": "Critical",
    "major": "Major",
    "minor": "Minor",
    "warning": "Warning",
}
OUTCOME: Final[dict[Outcome, str]] = {
    Outcome.QUEUED: "Kept here, waits for the cloud",
    Outcome.SEALED: "Kept here, waits for the cloud",
    Outcome.DELIVERED: "Sent to the cloud",
    Outcome.AGGREGATED: "Counted, not sent",
    Outcome.EXPIRED: "Deleted after its time",
    Outcome.SHED: "Dropped, the disk was full",
    Outcome.DEAD_LETTERED: "Set aside, it broke the contract",
    Outcome.PARKED: "Set aside, the cloud refused it",
    Outcome.UNTRUSTED: "Refused, the device is not trusted",
    Outcome.LOST: "Lost with a damaged file",
}
KEPT: Final = "Kept here"

# ------------------------------------------------------------------ connections
CLOUD: Final = "Gateway to cloud"
UPLINK_WORD: Final[dict[UplinkState, str]] = {
    "online": "Connected",
    "degraded": "Unsteady",
    "offline": "Down",
    "misconfigured": "Refused",
    "off": "Not set up",
}
UPLINK: Final[dict[UplinkState, tuple[str, str]]] = {
    # before and after "since 14:02", which is left out where nobody knows it
    "online": ("The cloud answers", ". What may leave is sent as it comes."),
    "degraded": ("The connection to the cloud is unsteady", ". Nothing is lost."),
    "offline": (
        "The connection to the cloud is down",
        ". Alerts are kept here and will be sent when it is back.",
    ),
    "misconfigured": (
        "The cloud refuses this gateway",
        ". Alerts are kept here until the platform engineer corrects address or certificate.",
    ),
    "off": ("No cloud is set up", ". Everything stays on this site."),
}
BROKER: Final = "Devices to gateway"
BROKER_WORD: Final[dict[BrokerState, str]] = {
    "running": "Running",
    "starting": "Starting",
    "down": "Down",
}
BROKER_TEXT: Final[dict[BrokerState, str]] = {
    "running": "Devices can connect and send.",
    "starting": "Devices can connect in a moment. They keep what they have until then.",
    "down": "No device can connect. They keep what they have and send it later.",
}

# ------------------------------------------------------------------ advice without a raised problem
BROKER_DOWN: Final = Told(
    "Devices cannot reach the gateway",
    "The message broker does not run.",
    "Wait one minute, it is started again by itself. If this stays, call the platform engineer.",
)
UPLINK_DOWN: Final = Told(
    "The connection to the cloud is down",
    "The cloud does not answer. The line itself goes on, and alerts are kept here.",
    "Check the network cable and the router to the outside. Nothing to do on the line.",
)
UPLINK_REFUSED: Final = Told(
    "The cloud refuses this gateway",
    "Its address or certificate is not accepted. The line itself goes on.",
    "Call the platform engineer. Alerts are kept here until then.",
)
LINE_OFFLINE: Final = Told(
    "",
    "No device is connected. One switch or the line's power is likelier than every device.",
    "Check the power and the network switch of the line.",
)
DEVICE_OFFLINE: Final = Told(
    "",
    "It is switched off, or its network is cut. It keeps what it has not sent yet.",
    "Check its power, then its network cable.",
)
DEVICES_OFFLINE: Final = Told(
    "",
    "They are switched off, or their network is cut. They keep what they have not sent yet.",
    "Look what they have in common: a power strip, a switch. Then check each cable.",
)
CUT_OFF: Final = Told(
    "",
    "Its software is not what it should be, so what it sends is refused.",
    "Do not switch it off. Call the security officer.",
)

# ------------------------------------------------------------------ parts of the gateway
PART: Final = {
    "uplink": CLOUD,
    "broker": BROKER,
    "clock": "Clock",
    "disk": "Disk",
    "queue": "Queue",
    "reserve": "Disk",
    "site": "This gateway",
    "spool": "Storage",
    "spool.db": "Storage",
    "state.db": "Storage",
}
"""What a subject that is no device is called."""

# ------------------------------------------------------------------ the queue
QUEUE_NAME: Final = {
    "alert": "Alerts",
    "error-log": "Error logs",
    "result": "Results",
    "metric": "Metrics",
    "log": "Logs",
}
NOTHING_WAITS: Final = "Nothing waits"

# ------------------------------------------------------------------ storage
ROOM: Final[dict[RoomLevel, str]] = {
    "ok": "There is room",
    "tight": "Nearly full: devices are asked to keep their results",
    "full": "Full: the oldest data makes room, and devices keep what is new",
}
ALERTS_HELD: Final = "Full for alerts too: devices keep them until there is room."
DURABILITY: Final = "What is promised, and what can be lost"
TRAFFIC_TOLD_PERCENT: Final = 50
TRAFFIC_TOLD_MESSAGES: Final = 120
"""A minute; below it the loudest of a quiet line is no news."""


# ------------------------------------------------------------------ sentences
def devices_online(online: int, total: int) -> str:
    """Say how many devices are there."""
    if online == total:
        return "The device is online." if total == 1 else f"All {total:,} devices are online."
    return f"{online:,} of {plural(total, 'device is', 'devices are')} online."


def things_to_do(count: int) -> str:
    """Say how many entries stand below."""
    return "One thing to do." if count == 1 else f"{count:,} things to do, the most urgent first."


def devices_fine(count: int) -> str:
    """Name the folded part of the list."""
    return plural(count, "device is fine", "devices are fine")


def offline(devices: list[str]) -> str:
    """Say who is offline."""
    return (
        f"{devices[0]} is offline" if len(devices) == 1 else f"{len(devices):,} devices are offline"
    )


def cut_off(devices: list[str]) -> str:
    """Say who is in quarantine."""
    return (
        f"{devices[0]} is cut off" if len(devices) == 1 else f"{len(devices):,} devices are cut off"
    )


def uplink(state: UplinkState, since_ms: int | None) -> Sentence:
    """Say how the way to the cloud is."""
    before, after = UPLINK[state]
    if since_ms is None or state == "off":
        return (f"{before}{after}",)
    return (f"{before} {SINCE} ", Moment(since_ms), after)


def parked(batches: int) -> str:
    """Say that the cloud refused batches for good."""
    return f"{plural(batches, 'batch is', 'batches are')} set aside: the cloud refused the content."


def waiting(rows: int, oldest_s: float | None) -> str:
    """Say what waits in one class."""
    if rows == 0:
        return NOTHING_WAITS
    age = "" if oldest_s is None else f", oldest {span(oldest_s)}"
    return f"{plural(rows, 'message waits', 'messages wait')}{age}"


def sure(score: float) -> str:
    """Say how sure the model is, 0 to 1."""
    return f"{min(max(score, 0.0), 1.0):.0%} sure"


def picture_of(label: str, device: str) -> str:
    """Describe a picture to those who cannot see it."""
    return f"Camera picture of the alert: {label}, seen by {device}"


def contracts(list_of_names: str) -> str:
    """Name the contracts that let rows leave."""
    return f"Contract: {list_of_names}."


def gap(one: GapStatus) -> str:
    """Say what one device missed; the whole of it, also what is nothing."""
    offline = span_exactly(one.offline_s) if one.offline_s else "never"
    lost = plural(one.declared_lost, "message", "messages")
    return (
        f"{one.lost:,} lost, {plural(one.duplicates, 'duplicate', 'duplicates')} suppressed, "
        f"{offline} offline, {lost} declared lost by the device"
    )


def survives(horizon: HorizonStatus) -> str:
    """Say how long an outage this site survives."""
    if horizon.rates == "unknown":
        return (
            "Nothing has come in yet, so nobody can say how long an outage would be survived; "
            "the [plan] section of gateway.toml takes planned rates."
        )
    if horizon.rates == "planned":
        rate = "the planned rate"
    else:
        rate = f"the rate of the last {span(max(60.0, horizon.measured_h * 3_600))}"
    data, alerts = horizon.data_hours, horizon.alert_hours
    if data is None and alerts is None:
        return f"With these limits and {rate} no outage of the cloud has an end in sight here."
    told = "any length" if data is None else span(data * 3_600)
    then = "without end" if alerts is None else span(alerts * 3_600)
    return f"With these limits and {rate} this site survives {told} of outage; alerts {then}."


def room(found: RoomStatus) -> str:
    """Say how full the queue is."""
    if found.alerts_held:
        return ALERTS_HELD
    taken = max(0, found.capacity_bytes - max(0, found.data_room_bytes))
    percent = 100 * taken // found.capacity_bytes if found.capacity_bytes > 0 else 100
    whose = "the queue's budget" if found.bound == "budget" else "what the disk has for the queue"
    used = f"{percent} % of {size(found.capacity_bytes)} used, {whose}"
    return f"{ROOM[found.level]}. {used}."


def no_gaps(days: int) -> str:
    """Say that nothing was missed."""
    return f"No device missed anything in the last {days} days."


def gaps(days: int) -> str:
    """Say what the list is of."""
    return f"In the last {days} days, the worst first:"


def wear(found: WearStatus) -> str:
    """Say what the disk had to take."""
    usual = f", {about(found.mean_bytes)} on an average day" if found.mean_bytes else ""
    return f"Written to the disk today: {about(found.today_bytes)}{usual}."


def traffic(loudest: TrafficStatus) -> str:
    """Say who sends most."""
    return f"{loudest.device} sent {loudest.percent} % of all messages of the last minute."
