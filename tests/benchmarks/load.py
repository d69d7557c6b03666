"""A steady load: devices that publish in turn, mostly data, now and then an alert."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence

from tests.benchmarks import messages
from tests.benchmarks.device import Device

ALERT_EVERY = 20
ALERT, DATA = "alert", "data"

Note = Callable[[Device, str, int], None]
"""Hears device, stream and number of what goes out now."""


class Load:
    """Publishes ``rate_hz`` messages a second, from all devices in turn, for a while."""

    def __init__(self, devices: Sequence[Device], rate_hz: int, seconds: float) -> None:
        self._devices = devices
        self._rate_hz = rate_hz
        self._alerts = messages.Alerts()
        self.count = int(seconds * rate_hz)
        self.payload_bytes = 0

    async def run(self, note: Note = lambda _device, _stream, _seq: None) -> None:
        """Publish all of it."""
        began = time.perf_counter()
        for number, device in zip(range(self.count), itertools.cycle(self._devices), strict=False):
            await asyncio.sleep(began + number / self._rate_hz - time.perf_counter())
            turn = number // len(self._devices)  # so that the alerts, too, come from all in turn
            self._publish(device, DATA if (number + turn) % ALERT_EVERY else ALERT, note)

    def _publish(self, device: Device, stream: str, note: Note) -> None:
        epoch, seq, base = device.next(stream)
        if stream == ALERT:
            payload, content_type = self._alerts.encode(epoch, seq, base), self._alerts.content_type
        else:
            payload, content_type = messages.data(epoch, seq, base), ""
        self.payload_bytes += len(payload)
        packet = device.publish(stream, payload, content_type)
        note(device, stream, seq)
        device.write([packet])
