"""What is measured: a site with its gateway, its devices, and the same broker by itself.

The second broker has the first one's configuration, certificates and access rules, and no
gateway: there the references are measured. All on 127.0.0.1; all of it ends with the block.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.broker.limits import BrokerLimits
from gateway.broker.mosquitto import Certificates, Mosquitto, write_files
from gateway.broker.roles import document
from gateway.identity import pki
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from tests.benchmarks.device import Device, LoadError
from tests.support.enrolling import enrol
from tests.support.ports import free_port
from tests.support.site import ROOT, Site
from tests.support.until import until

READER_LIMIT_S: Final = 30.0


@dataclass
class Bare:
    """The broker without a gateway."""

    port: int
    socket: Path
    password: str
    pid: int


@dataclass
class Plant:
    """A gateway that serves ``devices``, and the bare broker."""

    site: Site
    devices: list[Device]
    bare: Bare

    @property
    def gateway(self) -> int:
        """Process id of the gateway."""
        assert self.site.process is not None
        return self.site.process.pid

    @property
    def broker(self) -> int:
        """Process id of the gateway's own broker."""
        return int(self.site.status()["broker"]["pid"])

    @property
    def port(self) -> int:
        """Where devices reach the gateway's own broker."""
        return self.site.mqtt_port


@asynccontextmanager
async def plant(devices: int) -> AsyncGenerator[Plant]:
    """Build all of it with so many devices, and take it down."""
    with Site(name="bench") as site:
        # The devices of a load keep to no window: it is made as wide as the broker's queue, or
        # the gateway would refuse what of one device waits beyond two windows (docs/noise.md).
        site.configure(
            "intake",
            window=min(1_000, 25_000 // devices),
            max_devices=devices,
            device_messages_per_s=10_000,
            device_bytes_per_s=67_108_864,
        )
        site.start()
        names = [f"cam-{number:03}" for number in range(1, devices + 1)]
        folders = await enrol(site, names)
        async with _bare(site, names) as bare:
            yield Plant(site, [Device(folder) for folder in folders], bare)


@asynccontextmanager
async def _bare(site: Site, names: list[str]) -> AsyncGenerator[Bare]:
    password, port, socket = os.urandom(16).hex(), free_port(), site.runtime_dir / "bare.sock"
    folder = site.state_dir / pki.FOLDER
    access = document(
        {DeviceId(name): Access.ADMITTED for name in names}, password=password, salt=os.urandom(12)
    )
    _let_hear_themselves(access, names)
    conf = write_files(
        site.folder / "bare",
        BrokerLimits(port=port, listen="127.0.0.1"),
        Certificates(
            folder / pki.CA_CERTIFICATE, folder / pki.SERVER_CERTIFICATE, folder / pki.SERVER_KEY
        ),
        access,
        socket,
    )
    broker = await Mosquitto.start(conf, socket)
    try:
        await asyncio.to_thread(until, broker.serves, "the bare broker serves")
        yield Bare(port, socket, password, broker.pid)
    finally:
        await broker.stop()


def _let_hear_themselves(access: dict[str, Any], names: list[str]) -> None:
    """Let each device subscribe to what it publishes: the shortest way through a broker."""
    roles = {role["rolename"]: role for role in access["roles"]}
    for name in names:
        roles[f"device-{name}"]["acls"] += [
            {"acltype": kind, "topic": f"line/{name}/up/#", "priority": 0, "allow": True}
            for kind in ("subscribePattern", "publishClientReceive")
        ]


class Reader:
    """A reference program on the bare broker."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def heard(self, word: str) -> None:
        """Wait until it says ``word``."""
        assert self._process.stdout is not None
        async with asyncio.timeout(READER_LIMIT_S):
            line = await self._process.stdout.readline()
        if line.decode().strip() != word:
            msg = f"a reference program said {line!r} instead of {word}"
            raise LoadError(msg)


@asynccontextmanager
async def reader(kind: str, bare: Bare, count: int) -> AsyncGenerator[Reader]:
    """Run one of the readers of ``reader.py``, subscribed, inside the block."""
    with tempfile.TemporaryDirectory(prefix="sg-reader-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.benchmarks.reader"),
            *(kind, str(bare.socket), bare.password, str(count), folder),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            found = Reader(process)
            await found.heard("READY")
            yield found
        finally:
            process.kill()
            await process.wait()
