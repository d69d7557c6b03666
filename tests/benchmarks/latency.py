"""Receipt latency: from publishing a message to its receipt, under a steady load.

    python -m tests.benchmarks.latency [--quick] [--rounds N] [--json]

20 devices publish 500 messages a second over mutual TLS, one in twenty an alert with a
picture of 4 KB, the others results of 256 bytes. A message's latency ends when a receipt
with its number reaches the device: then it is on the gateway's disk.

Then every device publishes an alert behind a backlog of data that waits in the broker: alerts
have a stream of their own so that they do not wait for it.

The reference is the shortest way that a message can take through the same broker: each
device hears its own publishes, without a gateway. All take turns, round by round.
"""

import asyncio
import functools
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.benchmarks import messages
from tests.benchmarks.backlog import MESSAGES, connect, leave, pile_up
from tests.benchmarks.device import Device, LoadError
from tests.benchmarks.load import ALERT, DATA, Load
from tests.benchmarks.plant import Plant, plant
from tests.benchmarks.procfs import cpu_us
from tests.benchmarks.report import Options, Report, middle, options, percentile, show
from tests.benchmarks.wire import Publish

RATE_HZ = 500
ROUND_S = 10.0
LAST_RECEIPT_LIMIT_S = 10.0
DRAIN_LIMIT_S = 60.0
ALERT_P50_LIMIT_MS, ALERT_P99_LIMIT_MS = 15.0, 50.0


@dataclass
class Taken:
    """Latencies of one round, in milliseconds, by stream."""

    took_ms: dict[str, list[float]] = field(default_factory=lambda: {ALERT: [], DATA: []})
    waiting: dict[tuple[str, str], deque[tuple[int, float]]] = field(default_factory=dict)
    """By device and stream: number and moment of what has no answer yet, in order."""

    def publish(self, device: Device, stream: str, seq: int) -> None:
        """Note that a message goes out now."""
        queue = self.waiting.setdefault((device.id, stream), deque())
        queue.append((seq, time.perf_counter()))

    def answer(self, device: Device, stream: str, upto: int) -> None:
        """Note that everything up to a number is answered."""
        now, queue = time.perf_counter(), self.waiting.get((device.id, stream))
        while queue and queue[0][0] <= upto:
            self.took_ms[stream].append((now - queue.popleft()[1]) * 1e3)

    def complete(self, device: Device) -> bool:
        """Say whether all that ``device`` published is answered."""
        return not any(queue for (name, _), queue in self.waiting.items() if name == device.id)


@dataclass(frozen=True)
class Round:
    """One round."""

    took_ms: dict[str, list[float]]
    cpu_us: float
    """Of the gateway, per message."""


async def _receipts(site: Plant, seconds: float) -> Round:
    taken, load = Taken(), Load(site.devices, RATE_HZ, seconds)
    await connect(site.devices, site.port)
    for device in site.devices:
        await device.introduce()
        device.heard = _on_receipt(device, taken)
    cpu_before = cpu_us(site.gateway)
    try:
        await load.run(taken.publish)
        await _complete(site.devices, taken)
    finally:
        await _close(site.devices)
    return Round(
        taken.took_ms,
        (cpu_us(site.gateway) - cpu_before) / load.count,
    )


async def _complete(devices: Sequence[Device], taken: Taken) -> None:
    async with asyncio.timeout(LAST_RECEIPT_LIMIT_S):
        for device in devices:
            await device.until(functools.partial(taken.complete, device))


def _on_receipt(device: Device, taken: Taken) -> Callable[[Publish], None]:
    def heard(_: Publish) -> None:
        for stream, mark in device.marks.items():
            taken.answer(device, stream, mark)

    return heard


async def _behind(site: Plant, each: int) -> list[float]:
    """Return how long an alert of each device took behind so many data of each, in ms."""
    taken, alerts = Taken(), messages.Alerts()

    def publish() -> None:
        for device in site.devices:
            epoch, seq, base = device.next(ALERT)
            payload = alerts.encode(epoch, seq, base)
            taken.publish(device, ALERT, seq)
            device.write([device.publish(ALERT, payload, alerts.content_type)])

    await connect(site.devices, site.port)
    for device in site.devices:
        await device.introduce()
        device.heard = _on_receipt(device, taken)
    try:
        await pile_up(site.gateway, site.devices, each, then=publish)
        async with asyncio.timeout(DRAIN_LIMIT_S):
            for device in site.devices:
                await device.receipted(ALERT)
                await device.receipted(DATA)
    finally:
        await _close(site.devices)
    return taken.took_ms[ALERT]


async def _echoes(site: Plant, seconds: float) -> Round:
    taken, load = Taken(), Load(site.devices, RATE_HZ, seconds)
    before = [dict(device.sent) for device in site.devices]
    for device in site.devices:
        await device.connect(site.bare.port, f"line/{device.id}/up/#")
        device.heard = _on_echo(device, taken)
    try:
        await load.run(taken.publish)
        await _complete(site.devices, taken)
    finally:
        await _close(site.devices)
        for device, sent in zip(site.devices, before, strict=True):
            device.sent = sent  # the gateway never saw these: their numbers are free
    return Round(taken.took_ms, 0.0)


def _on_echo(device: Device, taken: Taken) -> Callable[[Publish], None]:
    def heard(said: Publish) -> None:
        stream = said.topic.rpartition(b"/")[2].decode()
        queue = taken.waiting.get((device.id, stream))
        if queue:  # TCP keeps the order, so this is the oldest
            taken.answer(device, stream, queue[0][0])

    return heard


async def _close(devices: Sequence[Device]) -> None:
    for device in devices:
        device.heard = lambda _: None
    await leave(devices)


async def measure(wanted: Options) -> Report:
    """Measure receipts and echoes ``wanted.rounds`` times, in turns."""
    seconds = max(1.0, ROUND_S * wanted.share)
    each = int(MESSAGES * wanted.share) // wanted.devices
    receipts: list[Round] = []
    echoes: list[Round] = []
    behind: list[list[float]] = []
    async with plant(wanted.devices) as site:
        await _receipts(site, 1.0)  # what is made once is made before
        for _ in range(wanted.rounds):
            receipts.append(await _receipts(site, seconds))
            echoes.append(await _echoes(site, seconds))
            behind.append(await _behind(site, each))
    report = _report(receipts, echoes, wanted)
    label = f"alert, behind a backlog of {each * wanted.devices} data"
    waited = report.rows[label] = _summary(behind)
    report.ratios["alert behind the backlog / alert, p50"] = waited[0] / middle(
        [percentile(one.took_ms[ALERT], 50) for one in receipts]
    )
    return report


def _summary(rounds: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return p50, p99 and the most, each the median of the rounds."""
    return (
        middle([percentile(one, 50) for one in rounds]),
        middle([percentile(one, 99) for one in rounds]),
        middle([max(one) for one in rounds]),
    )


def _report(receipts: Sequence[Round], echoes: Sequence[Round], wanted: Options) -> Report:
    report = Report(
        "latency",
        f"receipt latency: {RATE_HZ} messages a second of {wanted.devices} devices over mTLS, "
        f"{len(receipts[0].took_ms[ALERT])} alerts and {len(receipts[0].took_ms[DATA])} data a "
        f"round; median of {wanted.rounds} interleaved rounds",
        ("p50 ms", "p99 ms", "most ms"),
    )
    for what, found in (("published -> receipt", receipts), ("published -> own echo", echoes)):
        for stream in (ALERT, DATA):
            report.rows[f"{stream}, {what}"] = _summary([one.took_ms[stream] for one in found])
    alert, data, echo, _ = ([value or 0.0 for value in values] for values in report.rows.values())
    report.ratios = {
        "alert's receipt / echo, p50": alert[0] / echo[0],
        "alert's receipt / echo, p99": alert[1] / echo[1],
        "data's receipt / alert's receipt, p50": data[0] / alert[0],
    }
    report.reached = {
        "alert's receipt p50, ms": (alert[0], ALERT_P50_LIMIT_MS),
        "alert's receipt p99, ms": (alert[1], ALERT_P99_LIMIT_MS),
    }
    cpu = middle([one.cpu_us for one in receipts])
    report.notes = [
        f"the gateway used {cpu:.0f} us of CPU a message: its commits are small at this rate",
    ]
    return report


if __name__ == "__main__":
    wanted, as_json, _ = options(__doc__, sys.argv[1:])
    try:
        show(asyncio.run(measure(wanted)), as_json=as_json)
    except LoadError as error:
        sys.exit(f"latency: not measured: {error}")
