"""Five hundred devices after a gateway that was away: what do their resends do to alerts?

    python -m tests.benchmarks.storm [--devices 500] [--away-s 60] [--json]

The gateway stands still (SIGSTOP) while its broker goes on, which is the worst for it: all that
the devices send, and send again, waits for it. Each device makes a message a second and an
alert in twenty, keeps to its window and sends again after 1 s, doubling to 30 s, as the
protocol asks. Shown is how long alerts that are made after the return wait for their receipt,
beside those of a calm line before, and when everything is receipted.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks import messages
from tests.benchmarks.device import Device
from tests.benchmarks.report import Report, percentile, say, show
from tests.support.enrolling import enrol
from tests.support.site import Site

WINDOW = 50
DATA_WINDOW = 40  # a fifth is kept for alerts
FIRST_AGAIN_S, MOST_AGAIN_S = 1.0, 30.0
TICK_S = 0.1
ALERT_EVERY = 20
CALM_S = 10.0
AFTER_S = 15.0
DONE_LIMIT_S = 300.0
TURNS = itertools.count()


@dataclass
class _Held:
    packet_of: tuple[str, bytes, str]
    made: float
    sent: float = 0.0
    again_s: float = FIRST_AGAIN_S


@dataclass
class Honest:
    """A device that keeps to the protocol; only its outbox lies in memory."""

    device: Device
    alerts: messages.Alerts
    held: dict[tuple[str, int], _Held] = field(default_factory=dict[tuple[str, int], _Held])
    resent: int = 0
    waits: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """(made, seconds until the receipt) of each alert."""

    def make(self, stream: str) -> None:
        """Number a message and keep it."""
        epoch, seq, _ = self.device.next(stream)
        if stream == "alert":
            payload, content = self.alerts.encode(epoch, seq, 1), self.alerts.content_type
        else:
            payload, content = messages.data(epoch, seq, 1), ""
        self.held[stream, seq] = _Held((stream, payload, content), time.perf_counter())

    def work(self) -> None:
        """Free what has its receipt; send what may go, alerts first."""
        now = time.perf_counter()
        for stream, seq in [key for key in self.held if key[1] <= self.device.marks[key[0]]]:
            gone = self.held.pop((stream, seq))
            if stream == "alert":
                self.waits.append((gone.made, now - gone.made))
        under_way = {"alert": 0, "data": 0}
        for (stream, _), one in self.held.items():
            under_way[stream] += one.sent > 0
        for (stream, _), one in sorted(self.held.items()):  # alerts first
            if not one.sent:
                full = sum(under_way.values()) >= WINDOW
                if full or (stream == "data" and under_way["data"] >= DATA_WINDOW):
                    continue
                under_way[stream] += 1
            elif now - one.sent < one.again_s:
                continue
            else:
                self.resent += 1
                one.again_s = min(MOST_AGAIN_S, 2 * one.again_s)
            one.sent = now
            self.device.write([self.device.publish(*one.packet_of)])


async def _live(line: list[Honest], seconds: float, *, make: bool = True) -> None:
    """Let the line work for so long; each device makes a message a second."""
    began = last = time.perf_counter()
    owed = 0.0
    while (now := time.perf_counter()) - began < seconds:
        owed += (now - last) * len(line) * make
        last = now
        while owed >= 1:
            owed -= 1
            turn = next(TURNS)
            line[turn % len(line)].make("data" if turn * 7 % ALERT_EVERY else "alert")
        for one in line:
            one.work()
        await asyncio.sleep(TICK_S)


async def measure(
    devices: int, away_s: float, *, calm_s: float = CALM_S, after_s: float = AFTER_S
) -> tuple[Report, dict[str, float]]:
    """Run the story once; return how long alerts waited, and what became of everything."""
    alerts = messages.Alerts()
    with Site(name="storm") as site:
        site.start()
        names = [f"cam-{number:03}" for number in range(1, devices + 1)]
        folders: list[Path] = await enrol(site, names)
        line = [Honest(Device(folder), alerts) for folder in folders]
        for one in line:
            one.device.heard = lambda _: None
            await one.device.connect(site.mqtt_port, f"line/{one.device.id}/down/receipt")
            await one.device.introduce()
        await _live(line, calm_s)
        calm_until = time.perf_counter()
        assert site.process is not None
        os.kill(site.process.pid, signal.SIGSTOP)
        await _live(line, away_s)
        os.kill(site.process.pid, signal.SIGCONT)
        back = time.perf_counter()
        await _live(line, after_s)
        async with asyncio.timeout(DONE_LIMIT_S):
            while any(one.held for one in line):
                await _live(line, 1.0, make=False)
        done_s = time.perf_counter() - back
        status = await asyncio.to_thread(site.status)
        trace = await asyncio.to_thread(site.trace)
        keys = [(one["device"], one["epoch"], one["stream"], one["seq"]) for one in trace]
        report = Report(
            "storm",
            f"{devices} devices, a message a second each; the gateway away for {away_s:g} s",
            ("alerts", "p50 ms", "p99 ms", "most ms"),
        )
        waits = [wait for one in line for wait in one.waits]
        for name, chosen in (
            ("before", [w for made, w in waits if made + w < calm_until]),
            ("made while it was away, from its return", [
                made + w - back for made, w in waits if calm_until < made < back
            ]),
            ("made after its return", [w for made, w in waits if made > back]),
        ):  # fmt: skip
            thousand = [1000 * one for one in chosen]
            report.rows[name] = (
                len(chosen),
                percentile(thousand, 50),
                percentile(thousand, 99),
                max(thousand),
            )
        counters = status["counters"]
        made = sum(sum(one.device.sent.values()) for one in line)
        facts = {
            "messages made": made,
            "sent again": sum(one.resent for one in line),
            "in the trace": len(keys),
            "of these twice": len(keys) - len(set(keys)),
            "all receipted after s": round(done_s, 1),
            "refused over the share": counters.get("messages_over_share_total", 0),
            "devices cut off": sum(one["code"] == "device-noisy" for one in status["problems"]),
            "lines of the broker on a full queue": site.log().count("messages are being dropped"),
        }
        with contextlib.suppress(Exception):
            for one in line:
                await one.device.close()
        return report, facts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--away-s", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    report, facts = asyncio.run(measure(wanted.devices, wanted.away_s))
    show(report, as_json=wanted.json)
    if not wanted.json:
        say("\n".join(f"{name}: {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
