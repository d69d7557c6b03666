"""What the device is about: look, judge, say. The camera and the model come from outside.

Rules:
- An alert goes into the outbox at once. Results are batched, one message a second, so that
  30 images a second cost one sync of the disk, not 30.
- The line never waits for the gateway: without it, inspection goes on and the outbox fills.
- A picture that does not fit a packet is left out; the alert is never.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from hil.linedevice.outbox import Outbox
from hil.linedevice.payloads import (
    Item,
    Last,
    Slot,
    Stamp,
    State,
    Status,
    TooLargeError,
    alert,
    data,
)

AGENT: Final = "linedevice/0.1"
BATCH_S: Final = 1.0
BATCH_ITEMS: Final = 100
METRICS_S: Final = 10.0
"""How often metrics and logs go, so that a refused log line cannot cause the next at once."""
LOGS_WAITING: Final = 100
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
SYNCHRONISED: Final = Path("/run/systemd/timesync/synchronized")
SOC_MILLIDEGREES: Final = Path("/sys/class/thermal/thermal_zone0/temp")


class Seen(Protocol):
    """What the model found on a frame. ``crop_png`` shows the defect, if there is one."""

    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def stages_ms(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def crop_png(self) -> bytes | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Look:
    """One frame and what was found on it. ``brightness`` is the mean grey level."""

    seen: Seen
    brightness: float


@dataclass(slots=True)
class Counts:
    """What this process did since it started."""

    frames: int = 0
    alerts: int = 0
    messages: int = 0
    late: int = 0
    dropped: int = 0


class LineDevice:
    """One camera on one line. ``look`` takes a frame and judges it; ``wake`` rings the link."""

    def __init__(
        self, look: Callable[[], Look], outbox: Outbox, *, profile: str, model: Slot, rate_hz: float
    ) -> None:
        self._look, self._outbox = look, outbox
        self._profile, self._model, self._period_s = profile, model, 1 / rate_hz
        self._boot = BOOT_ID.read_text().strip()  # elsewhere: 16 random hexadecimal digits a boot
        self._results: list[Item] = []
        self._logs: deque[Item] = deque(maxlen=LOGS_WAITING)
        self._metrics_at = self._batch_at = 0.0
        self._brightness = 0.0
        self.counts = Counts()
        self.wake: Callable[[], None] = lambda: None
        self.log("info", "device-started", AGENT)

    def _stamp(self) -> Stamp:
        return Stamp(self._boot, _mono_ms(), time.time_ns() // 1_000_000)

    def status(self, state: State, last: Last) -> Status:
        """Return the whole truth about this device, for the link to publish."""
        return Status(
            state=state,
            profile=self._profile,
            agent=AGENT,
            boot=self._boot,
            synced=SYNCHRONISED.exists(),
            slots=(self._model,),
            production="running",
            desired_rev=0,  # updates are not part of this device yet
            last=last,
            time=time.time_ns() // 1_000_000,
        )

    def log(self, severity: Literal["error", "warning", "info"], template: str, text: str) -> None:
        """Keep a log line for the next batch. Any thread may; the oldest of 100 goes first."""
        item: Item = {"mono_ms": _mono_ms(), "severity": severity, "template": template}
        self._logs.append(item | {"message": text[:1000]})

    def run(self, stopping: threading.Event) -> None:
        """Inspect until ``stopping`` is set; what is open is stored before it returns.

        Raises:
            sqlite3.Error: the outbox cannot be written.
        """
        next_s = time.monotonic()
        while not stopping.wait(max(0.0, next_s - time.monotonic())):
            next_s += self._period_s
            if next_s < time.monotonic() - BATCH_S:  # too slow for the line: drop the arrears
                next_s, self.counts.late = time.monotonic(), self.counts.late + 1
            self._inspect()
            if time.monotonic() >= self._batch_at:
                self.flush()
        self.flush()

    def _inspect(self) -> None:
        mono_ms, look = _mono_ms(), self._look()
        seen, self._brightness = look.seen, look.brightness
        self.counts.frames += 1
        self._results.append(
            {
                "mono_ms": mono_ms,
                "model": f"{self._model.name}@{self._model.version}",
                "label": seen.label,
                "score": round(seen.score, 4),
                "latency_ms": round(sum(seen.stages_ms.values()), 3),
                "stages_ms": {name: round(ms, 3) for name, ms in seen.stages_ms.items()},
            }
        )
        if seen.crop_png is not None:
            self._alert(seen, seen.crop_png)

    def _alert(self, seen: Seen, png: bytes) -> None:
        stamp = self._stamp()
        item: Item = {
            "id": os.urandom(8).hex(),
            "kind": "surface-defect",
            "severity": "major" if seen.score >= 0.9 else "minor",  # noqa: PLR2004 -- the line's own rule
            "label": seen.label,
            "score": round(seen.score, 4),
        }
        try:
            draft = alert(stamp, item | {"image": {"type": "image/png", "data": png}})
        except TooLargeError:
            draft = alert(stamp, item)
        self._outbox.put([draft])
        self.counts.alerts += 1
        self.counts.messages += 1
        self.wake()

    def flush(self) -> None:
        """Store results, metrics and logs that wait, in one transaction."""
        now, stamp = time.monotonic(), self._stamp()
        self._batch_at = now + BATCH_S
        results, self._results = self._results, []
        drafts = [
            data(stamp, "result", results[at : at + BATCH_ITEMS])
            for at in range(0, len(results), BATCH_ITEMS)
        ]
        if now >= self._metrics_at:
            self._metrics_at = now + METRICS_S
            drafts.append(data(stamp, "metric", self._metrics()))
            logs = [self._logs.popleft() for _ in range(len(self._logs))]
            if logs:
                drafts.append(data(stamp, "log", logs))
        if drafts:
            self._outbox.put(drafts)
            self.counts.messages += len(drafts)
            self.counts.dropped = self._outbox.dropped
            self.wake()

    def _metrics(self) -> list[Item]:
        values = [("mean_brightness", round(self._brightness, 2), "")]
        values += [(f"{name}_total", float(n), "1") for name, n in asdict(self.counts).items()]
        with contextlib.suppress(OSError, ValueError):  # a virtual machine has no sensor
            values.append(("soc_temperature", int(SOC_MILLIDEGREES.read_text()) / 1000, "Cel"))
        mono_ms = _mono_ms()
        return [
            {"mono_ms": mono_ms, "name": name, "value": value, "unit": unit}
            for name, value, unit in values
        ]


def _mono_ms() -> int:
    """Return milliseconds since boot; unlike CLOCK_MONOTONIC it counts while suspended."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
