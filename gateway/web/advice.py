"""What a person should do, the most urgent first: raised problems, and what follows from state.

A problem is raised by the capability that knows it. Where a state is visibly bad and no
problem stands for it (it comes late, or its raiser is the part that broke), the advice is
derived here, so that the page never says "fine" above a red card.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model.access import Access
from gateway.model.problem import Severity
from gateway.web import words
from gateway.web.limits import DETAILS_SHOWN_MAX, SUBJECTS_NAMED_MAX, TEXT_MAX_CHARS
from gateway.web.measures import clipped, names
from gateway.web.status import DeviceStatus, ProblemStatus, Status

URGENCY = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.NOTICE: 2}


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. ``about`` names devices or a part, where the title does not."""

    key: str
    code: str
    """Of the problem vocabulary; empty where no problem was raised."""
    severity: Severity
    title: str
    about: str
    since_ms: int | None
    cause: str
    action: str
    details: tuple[str, ...] = ()


def advise(status: Status) -> tuple[Advice, ...]:
    """Return everything to do, worst and then oldest first. Same codes are one entry."""
    entries = [*_raised(status.problems), *_derived(status)]

    def order(entry: Advice) -> tuple[int, int, str]:
        # what began first is likelier the cause of the rest; an unknown beginning comes last
        since_ms = status.time_ms if entry.since_ms is None else entry.since_ms
        return URGENCY[entry.severity], since_ms, entry.key

    return tuple(sorted(entries, key=order))


def _raised(problems: list[ProblemStatus]) -> Iterator[Advice]:
    by_code: dict[str, list[ProblemStatus]] = {}
    for problem in sorted(problems, key=lambda p: (URGENCY[p.severity], p.since_ms, p.subject)):
        by_code.setdefault(problem.code, []).append(problem)
    for code, group in by_code.items():
        first = group[0]
        details = [
            f"{p.subject}: {p.detail}" if len(group) > 1 else p.detail for p in group if p.detail
        ]
        yield Advice(
            key=f"advice-{code}",
            code=code,
            severity=first.severity,
            title=first.title,
            about=names([_called(p.subject) for p in group], SUBJECTS_NAMED_MAX),
            since_ms=min(p.since_ms for p in group),
            cause=first.cause,
            action=first.action,
            details=tuple(clipped(d, 2 * TEXT_MAX_CHARS) for d in details[:DETAILS_SHOWN_MAX]),
        )


def _derived(status: Status) -> Iterator[Advice]:
    # a notice asks nobody to act, so it does not stand for a state that needs somebody
    urgent = [p for p in status.problems if p.severity is not Severity.NOTICE]
    raised = {problem.code for problem in urgent}
    uplink = status.uplink
    if status.broker.state == "down" and "broker-down" not in raised:
        yield _told("broker", Severity.CRITICAL, words.BROKER_DOWN)
    if uplink.state == "offline" and "uplink-offline" not in raised:
        yield _told("uplink", Severity.WARNING, words.UPLINK_DOWN, uplink.since_ms)
    if uplink.state == "misconfigured" and not raised & {"uplink-misconfigured", "parking-tripped"}:
        yield _told("uplink", Severity.WARNING, words.UPLINK_REFUSED, uplink.since_ms)
    subjects = {problem.subject for problem in urgent}
    unexplained = [d for d in status.devices if d.id not in subjects]
    if status.broker.state != "down":  # else none can be online, and the broker is the thing to do
        enrolled = sum(d.access is not Access.REVOKED for d in status.devices)
        yield from _offline(unexplained, enrolled)
    yield from _cut_off(unexplained)


def _offline(devices: list[DeviceStatus], enrolled: int) -> Iterator[Advice]:
    gone = [d for d in devices if d.state == "offline" and d.access is not Access.REVOKED]
    if not gone:
        return
    ids = [d.id for d in gone]
    since = min((d.last_seen_ms for d in gone if d.last_seen_ms is not None), default=None)
    everything = len(gone) == enrolled
    if len(gone) == 1:
        told = words.DEVICE_OFFLINE
    else:
        told = words.LINE_OFFLINE if everything else words.DEVICES_OFFLINE
    yield Advice(
        key="advice-of-offline",
        code="",
        severity=Severity.CRITICAL if everything else Severity.WARNING,
        title=words.offline(ids),
        about=_beside_title(ids),
        since_ms=since,
        cause=told.cause,
        action=told.action,
    )


def _cut_off(devices: list[DeviceStatus]) -> Iterator[Advice]:
    ids = [d.id for d in devices if d.access is Access.QUARANTINED]
    if ids:
        yield Advice(
            key="advice-of-cut-off",
            code="",
            severity=Severity.WARNING,
            title=words.cut_off(ids),
            about=_beside_title(ids),
            since_ms=None,
            cause=words.CUT_OFF.cause,
            action=words.CUT_OFF.action,
        )


def _called(subject: str) -> str:
    return words.PART.get(subject, subject)


def _beside_title(ids: list[str]) -> str:
    return names(ids, SUBJECTS_NAMED_MAX) if len(ids) > 1 else ""  # the title names a single one


def _told(part: str, severity: Severity, told: words.Told, since_ms: int | None = None) -> Advice:
    return Advice(
        key=f"advice-of-{part}",
        code="",
        severity=severity,
        title=told.title,
        about=_called(part),
        since_ms=since_ms,
        cause=told.cause,
        action=told.action,
    )
