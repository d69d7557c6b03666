"""What must be made before the programs can run: only what is missing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from hil.virtualline.site import Ports, Programs, Site, Wishes, device_ids


@dataclass(frozen=True, slots=True)
class Found:
    """What an earlier run left. ``devices`` maps each complete device to its profile."""

    gateway: bool
    devices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """A command that must end well before the next one begins."""

    says: str
    command: list[str]


def missing(
    programs: Programs, site: Site, ports: Ports, wishes: Wishes, found: Found
) -> list[Step]:
    """Return the steps from what was found to what was asked for, in their order.

    The cloud's two commands always run: both do nothing where nothing is to do, and the
    order of an earlier run (its WAN) must not outlast this one's.
    """
    steps = [
        Step("keys of the cloud stand-in", programs.make_cloud(site)),
        Step(f"WAN {wishes.wan}", programs.set_wan(site, wishes.wan)),
    ]
    if not found.gateway:
        steps.append(
            Step("keys and configuration of the gateway", programs.make_gateway(site, ports))
        )
    steps += [
        Step(f"device {device}", programs.add_device(site, device, wishes.profile))
        for device in device_ids(wishes.devices)
        if device not in found.devices
    ]
    return steps


def kept_profiles(wishes: Wishes, found: Found) -> list[str]:
    """Return a sentence for each device that stays with another profile than was asked for."""
    return [
        f"{device} keeps profile {found.devices[device]}: it was added with it"
        for device in device_ids(wishes.devices)
        if found.devices.get(device, wishes.profile) != wishes.profile
    ]
