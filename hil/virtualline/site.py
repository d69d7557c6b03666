"""Where everything of a virtual line lies, and what each program is called with. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

NAME: Final = "virtual-line"
HOST: Final = "127.0.0.1"


class Ports(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ports.json: chosen once, so that devices find their gateway again."""

    broker: int
    web: int
    cloud: int


@dataclass(frozen=True, slots=True)
class Site:
    """The folder of one virtual line, an absolute path."""

    root: Path

    @property
    def config(self) -> Path:
        """The gateway's configuration, written by ``site-gateway init``."""
        return self.root / "gateway.toml"

    @property
    def cloud(self) -> Path:
        """The folder of the cloud stand-in."""
        return self.root / "cloud"

    @property
    def ports(self) -> Path:
        """Which ports were chosen."""
        return self.root / "ports.json"

    @property
    def lock(self) -> Path:
        """Held by the one runner of this folder."""
        return self.root / "run.lock"

    def device(self, device: str) -> Path:
        """Return the folder of one device."""
        return self.root / "devices" / device

    def log(self, part: str) -> Path:
        """Return the log of one program."""
        return self.root / "log" / f"{part}.log"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for on the command line. ``rate`` is images a second and device."""

    devices: int
    rate: float
    wan: str
    profile: str


def device_ids(count: int) -> list[str]:
    """Return the ids of the first ``count`` devices: ``cam-01`` and so on."""
    return [f"cam-{number:02d}" for number in range(1, count + 1)]


@dataclass(frozen=True, slots=True)
class Programs:
    """How the programs begin, as argument lists: the rest of each command is decided here."""

    gateway: Sequence[str]
    cloud: Sequence[str]
    device: Sequence[str]

    def make_cloud(self, site: Site) -> list[str]:
        """Return the command that makes the cloud's keys where they are missing."""
        return [*self.cloud, "init", "--dir", str(site.cloud), "--site", NAME]

    def set_wan(self, site: Site, wan: str) -> list[str]:
        """Return the command that orders the cloud up or down."""
        return [*self.cloud, "wan", wan, "--dir", str(site.cloud)]

    def serve_cloud(self, site: Site, ports: Ports) -> list[str]:
        """Return the command that runs the cloud."""
        return [*self.cloud, "serve", "--dir", str(site.cloud), "--port", str(ports.cloud)]

    def make_gateway(self, site: Site, ports: Ports) -> list[str]:
        """Return the command that makes the gateway's configuration and keys."""
        return [
            *(*self.gateway, "init", "--config", str(site.config)),
            *("--name", NAME, "--ip", HOST),
            *("--recovery-key", str(site.cloud / "recovery-public.pem")),
            *("--broker-port", str(ports.broker), "--web-port", str(ports.web)),
            *("--uplink-url", f"https://{HOST}:{ports.cloud}"),
            *("--uplink-ca", str(site.cloud / "ca.pem")),
            *("--uplink-certificate", str(site.cloud / "gateway-cert.pem")),
            *("--uplink-key", str(site.cloud / "gateway-key.pem")),
        ]

    def add_device(self, site: Site, device: str, profile: str) -> list[str]:
        """Return the command that enrols one device and makes its folder."""
        return [
            *(*self.gateway, "device", "add", device, "--profile", profile),
            *("--out", str(site.device(device)), "--config", str(site.config)),
        ]

    def run_gateway(self, site: Site) -> list[str]:
        """Return the command that runs the gateway."""
        return [*self.gateway, "run", "--config", str(site.config)]

    def run_device(self, site: Site, device: str, rate: float, seed: int) -> list[str]:
        """Return the command that runs one device; ``seed`` picks what its camera sees."""
        folder = str(site.device(device))
        return [*self.device, folder, "--rate", f"{rate:g}", "--seed", str(seed)]
