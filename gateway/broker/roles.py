"""Who may say and hear what at the broker: documents of mosquitto's dynamic-security plugin.

Closed by default. Pure. Patterns such as ``%u`` exist only from mosquitto 2.1, so each
device has two roles of its own; a shared quarantine role with ``line/+/up/evidence``
would let one expelled device speak as another. A device's role is replaced, never the
client disabled: a client that is known by its certificate simply connects again.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gateway.model.access import Access, Role, role
from gateway.model.identity import DeviceId

GATEWAY: Final = "gateway"
"""User name and role of the gateway itself. Editing this role would expel the gateway."""

CONTROL_LINK: Final = "gateway:control"
DATA_LINK: Final = "gateway:data"
URGENT_LINK: Final = "gateway:urgent"
"""The gateway's client ids. A device's client id is its certificate's name, and no device id
has a colon: else a device named like one of these would end the gateway's connection."""

DATA_CHANNEL: Final = "data"
URGENT_CHANNELS: Final = ("alert", "evidence", "update", "infer", "status")
"""Below ``line/<device>/up/``: all that a device may say. The status stands last: whoever
subscribes in this order hears the rest when a device finds that its status is heard."""
DOWN_CHANNELS: Final = ("receipt", "access", "desired", "challenge", "inferred")
"""Below ``line/<device>/down/``: what it may be told."""

QUARANTINE_UP: Final = ("status", "evidence")
QUARANTINE_DOWN: Final = ("challenge", "access")
PBKDF2_ITERATIONS: Final = 101  # what mosquitto 2.0 itself uses; the password is 256 random bits

Document = dict[str, Any]


def _rule(kind: str, topic: str) -> Document:
    return {"acltype": kind, "topic": topic, "priority": 0, "allow": True}


def _hear(topic: str) -> list[Document]:
    return [_rule("subscribePattern", topic), _rule("publishClientReceive", topic)]


def _say(topic: str) -> Document:
    return _rule("publishClientSend", topic)


def full_role(device: DeviceId) -> Document:
    """Return the role of a device that takes part."""
    acls = [_say(f"line/{device}/up/{channel}") for channel in (DATA_CHANNEL, *URGENT_CHANNELS)]
    return {"rolename": f"device-{device}", "acls": [*acls, *_hear(f"line/{device}/down/#")]}


def quarantine_role(device: DeviceId) -> Document:
    """Return the role of a device that may only prove itself."""
    acls = [_say(f"line/{device}/up/{channel}") for channel in QUARANTINE_UP]
    for channel in QUARANTINE_DOWN:
        acls += _hear(f"line/{device}/down/{channel}")
    return {"rolename": f"quarantined-{device}", "acls": acls}


def mapped_role(device: DeviceId, topics: Iterable[str]) -> Document:
    """Return the role of a device that takes part, with the ``topics`` of its topic map."""
    role = full_role(device)
    return {**role, "acls": [*role["acls"], *map(_say, topics)]}


def role_names(device: DeviceId, access: Access) -> set[str]:
    """Return the names of the roles that ``access`` gives ``device``: one, or none at all."""
    names = {Role.FULL: {f"device-{device}"}, Role.QUARANTINED: {f"quarantined-{device}"}}
    return names.get(role(access), set())


def client(device: DeviceId, access: Access) -> Document:
    """Return the client entry that gives ``device`` what ``access`` allows."""
    granted = role_names(device, access)
    return {"username": device, "roles": [{"rolename": name} for name in granted]}


def password_fields(password: str, salt: bytes) -> Document:
    """Return how the plugin stores a password: PBKDF2-HMAC-SHA512, 64 bytes, base64."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, PBKDF2_ITERATIONS, 64)
    return {
        "password": base64.b64encode(digest).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": PBKDF2_ITERATIONS,
    }


def no_topics(_: DeviceId) -> tuple[str, ...]:
    """Return the topics of a device that speaks the protocol: none beside it."""
    return ()


def document(
    devices: Mapping[DeviceId, Access],
    *,
    password: str,
    salt: bytes,
    topics: Callable[[DeviceId], Iterable[str]] = no_topics,
) -> Document:
    """Return the whole ``dynsec.json``; ``topics`` gives the topic map of each device.

    A certificate without an entry here may connect, and may neither publish nor subscribe.
    """
    own = [_say("#"), *_hear("#")]
    for topic in ("$CONTROL/dynamic-security/#", "$SYS/#"):  # '#' does not match '$...'
        own += [_say(topic), *_hear(topic)]
    return {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
        "clients": [
            {
                "username": GATEWAY,
                "roles": [{"rolename": GATEWAY}],
                **password_fields(password, salt),
            },
            *(client(device, access) for device, access in devices.items()),
        ],
        "groups": [],
        "roles": [
            {"rolename": GATEWAY, "acls": own},
            *(mapped_role(device, topics(device)) for device in devices),
            *(quarantine_role(device) for device in devices),
        ],
    }
