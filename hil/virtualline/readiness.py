"""Is the line up? What is seen of its parts goes in, what is still missing comes out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec


class BrokerStatus(msgspec.Struct, frozen=True):
    """``pid`` is null while no broker runs."""

    pid: int | None = None
    state: str = ""


class DeviceStatus(msgspec.Struct, frozen=True):
    """One device as the gateway sees it."""

    id: str
    state: str


class Status(msgspec.Struct, frozen=True):
    """The part of GET /v1/status that readiness needs."""

    broker: BrokerStatus
    devices: list[DeviceStatus]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen just now. ``cloud`` is its WAN, "" while it does not serve."""

    cloud: str
    page: bool
    status: Status | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is missing, and whose log tells why."""

    part: str
    what: str


def missing(seen: Seen, wan: str, devices: Sequence[str]) -> list[Waiting]:
    """Return what is missing, in the order in which a person would look; empty when all is up."""
    found: list[Waiting] = []
    if seen.cloud == "":
        found.append(Waiting("cloud", "the cloud stand-in"))
    elif seen.cloud != wan:
        found.append(Waiting("cloud", f"the cloud's WAN to be {wan}"))
    if not seen.page:
        found.append(Waiting("gateway", "the gateway's page"))
    elif seen.status is None:
        found.append(Waiting("gateway", "the gateway's status"))
    elif seen.status.broker.pid is None:
        found.append(Waiting("gateway", f"the broker (it is {seen.status.broker.state!r})"))
    else:
        online = {device.id for device in seen.status.devices if device.state == "online"}
        absent = [device for device in devices if device not in online]
        if absent:
            there = len(devices) - len(absent)
            what = f"devices ({there} of {len(devices)} online)"
            found.append(Waiting(absent[0], what))
    return found
