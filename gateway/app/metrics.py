"""What Prometheus is told: the status document and the running counters, as samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.health import metric
from gateway.health.metric import Family, Kind, Sample
from gateway.health.register import Register
from gateway.model.outcome import Outcome
from gateway.web.status import Status

ENDED: Final = "messages_ended_total:"
DROPPED: Final = "messages_dropped_total:"
UPLINK_STATES: Final = ("online", "degraded", "offline", "misconfigured", "off")
BROKER_STATES: Final = ("running", "starting", "down")
DEVICE_STATES: Final = ("online", "offline", "never-seen")
LABELS: Final = {"message_class": "class"}
"""Names that Python would not take as they are told."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is told beside the status document."""

    wall_ms: int
    offline_s: float
    written_bytes: int
    free_bytes: float


def samples(status: Status, register: Register, beside: Beside) -> Iterator[Sample]:
    """Yield everything but the histogram of commits."""
    yield Sample(metric.BUILD, (status.version,), 1)
    for name, queue in (
        ("alert", status.spool.alert),
        ("error-log", status.spool.error_log),
        ("result", status.spool.result),
        ("metric", status.spool.metric),
        ("log", status.spool.log),
    ):
        yield Sample(metric.QUEUE_LENGTH, (name,), queue.rows)
        yield Sample(metric.QUEUE_BYTES, (name,), queue.bytes)
        yield Sample(metric.OLDEST_AGE, (name,), queue.oldest_s or 0)
    for one in status.horizon.classes:
        if one.hours is not None:
            yield Sample(metric.HORIZON, (one.message_class,), one.hours * 3_600)
    yield from _states(metric.UPLINK, UPLINK_STATES, {status.uplink.state: 1})
    yield from _states(metric.BROKER, BROKER_STATES, {status.broker.state: 1})
    devices = [device.state for device in status.devices]
    counted = {state: devices.count(state) for state in DEVICE_STATES}
    yield from _states(metric.DEVICES, DEVICE_STATES, counted)
    problems: dict[tuple[str, str], int] = {}
    for problem in status.problems:
        key = problem.code, problem.severity.value
        problems[key] = problems.get(key, 0) + 1
    for labels, count in problems.items():
        yield Sample(metric.PROBLEMS, labels, count)
    yield Sample(metric.PARKED, (), status.uplink.parked)
    yield Sample(metric.OFFLINE, (), beside.offline_s)
    yield Sample(metric.WEAR, (), beside.written_bytes)
    yield Sample(metric.FREE, (), beside.free_bytes)
    yield Sample(metric.CLOCK, (), (status.time_ms - beside.wall_ms) / 1_000)
    yield from _kept(status.counters)
    yield from _running(register)


def _states(family: Family, states: tuple[str, ...], values: Mapping[str, int]) -> Iterator[Sample]:
    for state in states:
        yield Sample(family, (state,), values.get(state, 0))


def _kept(counters: Mapping[str, int]) -> Iterator[Sample]:
    """Yield the counters that the queue's file keeps over restarts."""
    for prefix, family in ((ENDED, metric.ENDED), (DROPPED, metric.DROPPED)):
        for name, value in counters.items():
            if name.startswith(prefix):
                message_class, _, rest = name.removeprefix(prefix).partition(":")
                if rest == Outcome.PARKED.value:
                    continue  # no counter: an operator can still retry or drop them
                yield Sample(family, (message_class, rest), value)


def _running(register: Register) -> Iterator[Sample]:
    """Yield what services count since this process began, in the order of their names."""
    families = dict(metric.COUNTED)
    for series in register.series.values():
        if series.counter not in families:
            names = tuple(LABELS.get(name, name) for name in series.labels)
            families[series.counter] = Family(
                series.counter, Kind.COUNTER, "Counted since this process began.", names
            )
    for name, series in sorted(register.series.items()):
        family = families[series.counter]
        if len(series.labels) == len(family.labels):
            yield Sample(family, tuple(series.labels.values()), register.counters[name])
