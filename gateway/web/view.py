"""From the status document to what the page shows: every judgement, no markup.

Values here never hold an age or any other text that changes by itself: a card is drawn
again only when its value differs, and the page keeps ages fresh on its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from gateway.model.access import Access
from gateway.model.outcome import Outcome
from gateway.model.problem import Severity
from gateway.web import words
from gateway.web.advice import Advice, advise
from gateway.web.limits import ALERTS_SHOWN_MAX, TEXT_MAX_CHARS
from gateway.web.measures import clipped, size
from gateway.web.status import (
    AlertStatus,
    BrokerState,
    DeviceStatus,
    QueueStatus,
    Status,
    UplinkState,
    UplinkStatus,
)
from gateway.web.storage import GapLine, StorageCard, gap_lines, storage


class Shape(Enum):
    """What a person sees from far away; colour only repeats it."""

    CROSS = "cross"
    TRIANGLE = "triangle"
    RING = "ring"  # waits for something, nobody needs to act
    CHECK = "check"


RANK = {shape: rank for rank, shape in enumerate(Shape)}
SHAPE_OF = {
    Severity.CRITICAL: Shape.CROSS,
    Severity.WARNING: Shape.TRIANGLE,
    Severity.NOTICE: Shape.RING,
}
UPLINK_SHAPE: dict[UplinkState, Shape] = {
    "online": Shape.CHECK,
    "degraded": Shape.RING,
    "offline": Shape.TRIANGLE,
    "misconfigured": Shape.TRIANGLE,
    "off": Shape.RING,
}
BROKER_SHAPE: dict[BrokerState, Shape] = {
    "running": Shape.CHECK,
    "starting": Shape.RING,
    "down": Shape.CROSS,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "is the line fine?"."""

    shape: Shape
    word: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdviceCard:
    """One thing to do."""

    shape: Shape
    advice: Advice


@dataclass(frozen=True, slots=True)
class DeviceCard:
    """One device. Its age is not here: it changes with every message."""

    key: str
    id: str
    profile: str
    shape: Shape
    word: str
    notes: tuple[str, ...]
    heard: bool
    """Whether there is an age to show at all."""


@dataclass(frozen=True, slots=True)
class AlertCard:
    """One alert. ``tone`` is the severity as a style, ``picture`` a path or nothing."""

    key: str
    label: str
    kind: str
    device: str
    tone: str
    severity: str
    sure: str
    received_ms: int
    picture: str | None
    alt: str
    outcome: str


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One class of the queue."""

    name: str
    text: str
    size: str
    """Nothing where nothing waits."""


@dataclass(frozen=True, slots=True)
class LinkCard:
    """A connection: to the cloud, or from the devices."""

    name: str
    shape: Shape
    word: str
    text: words.Sentence
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Everything on the page. ``look`` and ``fine`` share no device."""

    site: str
    version: str
    pid: int
    now_ms: int
    verdict: Verdict
    advice: tuple[AdviceCard, ...]
    look: tuple[DeviceCard, ...]
    fine: tuple[DeviceCard, ...]
    seen: dict[str, int]
    """When each card's device was last heard, by the card's key."""
    alerts: tuple[AlertCard, ...]
    queue: tuple[QueueLine, ...]
    links: tuple[LinkCard, ...]
    contracts: tuple[str, ...]
    storage: StorageCard
    gaps: tuple[GapLine, ...]
    gaps_note: str


def worst(shapes: Iterable[Shape]) -> Shape:
    """Return the worst of the shapes, or the check where there are none."""
    return min(shapes, key=lambda shape: RANK[shape], default=Shape.CHECK)


def view(status: Status) -> View:
    """Return what the page shows for this status."""
    todo = advise(status)
    by_subject = _worst_by_subject(status)
    cards = sorted(
        (_device(device, by_subject) for device in status.devices),
        key=lambda card: (RANK[card.shape], card.id),
    )
    return View(
        site=status.site,
        version=status.version,
        pid=status.pid,
        now_ms=status.time_ms,
        verdict=_verdict(status, todo),
        advice=tuple(AdviceCard(SHAPE_OF[a.severity], a) for a in todo),
        look=tuple(card for card in cards if card.shape is not Shape.CHECK),
        fine=tuple(card for card in cards if card.shape is Shape.CHECK),
        seen={
            f"device-{d.id}": d.last_seen_ms for d in status.devices if d.last_seen_ms is not None
        },
        alerts=tuple(_alert(alert, status.uplink) for alert in status.alerts[:ALERTS_SHOWN_MAX]),
        queue=tuple(
            _queue(name, queue)
            for name, queue in (
                ("alert", status.spool.alert),
                ("error-log", status.spool.error_log),
                ("result", status.spool.result),
                ("metric", status.spool.metric),
                ("log", status.spool.log),
            )
        ),
        links=(_cloud(status.uplink), _broker(status)),
        contracts=tuple(status.privacy),
        storage=storage(status),
        gaps=gap_lines(status.gaps),
        gaps_note=words.gaps(status.gaps.days)
        if status.gaps.devices
        else words.no_gaps(status.gaps.days),
    )


def _verdict(status: Status, todo: tuple[Advice, ...]) -> Verdict:
    shape = worst(SHAPE_OF[a.severity] for a in todo)
    total = sum(d.access is not Access.REVOKED for d in status.devices)
    online = sum(d.state == "online" and d.access is not Access.REVOKED for d in status.devices)
    there = words.devices_online(online, total)
    match shape:
        case Shape.CROSS:
            return Verdict(shape, words.ACT, (there, words.things_to_do(len(todo))))
        case Shape.TRIANGLE:
            return Verdict(shape, words.LOOK, (there, words.things_to_do(len(todo))))
        case Shape.RING | Shape.CHECK if total == 0:
            return Verdict(Shape.RING, words.EMPTY, (words.EMPTY_ACTION,))
        case Shape.RING | Shape.CHECK:
            # a notice stands below for whoever cares; the line is fine with it
            return Verdict(Shape.CHECK, words.FINE, (there, words.NOTHING_TO_DO))


def _worst_by_subject(status: Status) -> dict[str, tuple[Shape, str]]:
    found: dict[str, tuple[Shape, str]] = {}
    for problem in status.problems:
        mine = (SHAPE_OF[problem.severity], problem.title)
        known = found.get(problem.subject)
        if known is None or RANK[mine[0]] < RANK[known[0]]:
            found[problem.subject] = mine
    return found


def _standing(device: DeviceStatus) -> Shape:
    match device.access, device.state:
        case Access.REVOKED, _:
            return Shape.RING
        case (Access.QUARANTINED, _) | (_, "offline"):
            return Shape.CROSS
        case _, "never-seen":
            return Shape.RING
        case _, "online":
            return Shape.CHECK


def _device(device: DeviceStatus, problems: dict[str, tuple[Shape, str]]) -> DeviceCard:
    shape = _standing(device)
    notes = [words.DEVICE_ACCESS[device.access]]
    if device.id in problems and device.access is not Access.REVOKED:
        problem_shape, title = problems[device.id]
        notes.append(title)
        if problem_shape is not Shape.RING:  # a notice does not make a device look bad
            shape = worst((shape, problem_shape))
    return DeviceCard(
        f"device-{device.id}",
        device.id,
        device.profile,
        shape,
        words.DEVICE_STATE[device.state],
        tuple(note for note in notes if note),
        heard=device.last_seen_ms is not None,
    )


def _alert(alert: AlertStatus, uplink: UplinkStatus) -> AlertCard:
    label = clipped(alert.label, TEXT_MAX_CHARS)
    waits = words.OUTCOME[alert.outcome]
    if uplink.state == "off" and alert.outcome in {Outcome.QUEUED, Outcome.SEALED}:
        waits = words.KEPT
    return AlertCard(
        key=f"alert-{alert.id}",
        label=label,
        kind=clipped(alert.kind, TEXT_MAX_CHARS),
        device=alert.device,
        tone=alert.severity,
        severity=words.ALERT_SEVERITY[alert.severity],
        sure=words.sure(alert.score),
        received_ms=alert.received_ms,
        picture=alert.picture,
        alt=words.picture_of(label, alert.device),
        outcome=waits,
    )


def _queue(name: str, queue: QueueStatus) -> QueueLine:
    text = words.waiting(queue.rows, queue.oldest_s)
    return QueueLine(words.QUEUE_NAME[name], text, size(queue.bytes) if queue.rows else "")


def _cloud(uplink: UplinkStatus) -> LinkCard:
    notes: list[str] = []
    if uplink.parked:
        notes.append(words.parked(uplink.parked))
    if uplink.last_error and uplink.state not in {"online", "off"}:
        notes.append(clipped(uplink.last_error, TEXT_MAX_CHARS * 2))
    text = words.uplink(uplink.state, uplink.since_ms)
    return LinkCard(
        words.CLOUD, UPLINK_SHAPE[uplink.state], words.UPLINK_WORD[uplink.state], text, tuple(notes)
    )


def _broker(status: Status) -> LinkCard:
    state = status.broker.state
    return LinkCard(
        words.BROKER, BROKER_SHAPE[state], words.BROKER_WORD[state], (words.BROKER_TEXT[state],), ()
    )
