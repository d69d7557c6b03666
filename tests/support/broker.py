"""A real mosquitto with the gateway's own generated files, and both sides of it in a test.

No gateway runs here: a test holds the gateway's links itself. ``cam-01`` and whatever else
``devices`` names have certificates of the site's CA; ``stranger`` certificates have no entry.
"""

import os
import shutil
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.app.clock import SystemClock
from gateway.broker.limits import BrokerLimits
from gateway.broker.mosquitto import Certificates, Mosquitto, write_files
from gateway.broker.mqtt import Gate, Link
from gateway.broker.roles import GATEWAY, document
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime
from tests.support.certificates import Bench, site_bench
from tests.support.ports import free_port
from tests.support.raw_mqtt import RawClient

CAM_01 = DeviceId("cam-01")
CAM_02 = DeviceId("cam-02")
PASSWORD = "of this test only"  # noqa: S105 -- of no broker but this one
START_LIMIT_S = 20.0


class Broker:
    """One mosquitto on a free port; use as ``async with``."""

    def __init__(
        self, devices: Mapping[DeviceId, Access] | None = None, limits: BrokerLimits | None = None
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sg-"))
        self.bench: Bench = site_bench(self.folder / "pki")
        self.devices = {CAM_01: Access.ADMITTED, CAM_02: Access.ADMITTED, **(devices or {})}
        self.port = free_port()
        self.limits = limits or BrokerLimits(port=self.port, listen="127.0.0.1")
        self.socket = self.folder / "b.sock"
        self.clock = SystemClock(SiteTime(0))
        self._server = self.bench.server()
        self._running: Mosquitto | None = None

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    async def start(self) -> Mosquitto:
        """Start it with the access of ``devices``, whatever an earlier life was told."""
        certificates = Certificates(self.bench.ca, self._server.certificate, self._server.key)
        access = document(self.devices, password=PASSWORD, salt=os.urandom(12))
        conf = write_files(self.folder / "broker", self.limits, certificates, access, self.socket)
        self._running = await Mosquitto.start(
            conf, self.socket, memory_bytes_max=self.limits.memory_bytes_max
        )
        for _ in range(int(START_LIMIT_S / 0.02)):
            if self._running.serves():
                return self._running
            await self.clock.sleep(0.02)
        msg = "mosquitto does not serve"
        raise AssertionError(msg)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._running is not None:
            await self._running.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def link(
        self, identifier: str = "gateway", *, session_s: int = 0, gate: Gate | None = None
    ) -> Link:
        """The gateway's own link, not yet connected."""
        return Link(
            str(self.socket),
            identifier=identifier,
            username=GATEWAY,
            password=PASSWORD,
            session_s=session_s,
            gate=gate,
        )

    def client(self, name: str, *, identifier: str = "", version: int = 5) -> RawClient:
        """A client with a certificate of the site for ``name``, not yet connected."""
        pair = self.bench.device(name)
        context = ssl.create_default_context(cafile=str(self.bench.ca))
        context.load_cert_chain(pair.certificate, pair.key)
        return RawClient(identifier or name, port=self.port, tls=context, version=version)
