"""A device run wild: it publishes at QoS 0 as fast as TCP takes it, until somebody ends it."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.raw_device import RawDevice
from tests.support.raw_mqtt import ClosedError, packet

PUBLISH_QOS_0 = 0x30
PACKETS_AT_ONCE_BYTES = 262_144


class Flood:
    """Use as ``with``; ``sent`` grows while it lasts, and ``ended`` when it was cut off."""

    def __init__(self, folder: Path, topic: str, payload: bytes) -> None:
        self._device = RawDevice(folder)
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + b"\0" + payload
        one = packet(PUBLISH_QOS_0, body)
        self._times = max(1, PACKETS_AT_ONCE_BYTES // len(one))
        self._packets = one * self._times
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._over = threading.Event()
        self.sent = 0
        self.ended = threading.Event()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self._device.send(self._packets)
                self.sent += self._times
        except ClosedError:
            self.ended.set()

    def __enter__(self) -> Self:
        self._device.connect()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._device.abort()
