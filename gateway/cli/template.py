"""The text of a new ``gateway.toml``, with a comment on each key. Pure.

Change this together with ``gateway/config.py``: what it does not know, it refuses.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UplinkFiles:
    """Where batches go, and the files that the connection needs."""

    url: str
    ca_file: str
    certificate_file: str
    key_file: str


@dataclass(frozen=True, slots=True)
class Broker:
    """How the broker runs; ``socket`` and ``password_file`` belong to an external one."""

    mode: str
    port: int
    socket: str = ""
    password_file: str = ""


@dataclass(frozen=True, slots=True)
class Values:
    """What differs from site to site. Paths are as they shall stand in the file."""

    name: str
    addresses: tuple[str, ...]
    state_dir: str
    runtime_dir: str
    profiles_dir: str
    broker: Broker
    web_port: int
    uplink: UplinkFiles | None


def text(value: str) -> str:
    """Return ``value`` as a TOML basic string."""
    # A JSON string is one, but for DEL, which TOML wants escaped; surrogate pairs, which
    # it forbids, come only from ensure_ascii.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def render(values: Values) -> str:
    """Return the whole file."""
    return _HEAD + _site(values) + _broker(values.broker) + _LIMITS + _uplink(values) + _web(values)


_HEAD = """\
# The configuration of one site gateway, read once at start.
# 'site-gateway config check' says what is wrong with it, without starting anything.
# A key that is not known is an error; keys that are absent here have defaults.
# Relative paths begin at the folder of this file.
"""

_LIMITS = """
[intake]
# How many messages a device may send without a receipt.
window = 50

[spool]
# Bounds of the queue on disk: the defaults suit a disk of 16 GB or more.

[plan]
# The outage of the cloud that this site has to survive, in hours, with its rates (docs/
# configuration.md): 'config check' holds it. 0: nobody demands any.
outage_h = 0
"""


def _site(values: Values) -> str:
    addresses = ", ".join(map(text, values.addresses))
    return f"""
[site]
# The name in every certificate of the site. It cannot change later.
name = {text(values.name)}
# Where devices reach this machine. All of them stand in the server certificate, which
# is issued anew at the next start after a change; devices get the first one.
addresses = [{addresses}]
# Databases, certificates and keys: on a disk that survives a restart, readable by nobody else.
state_dir = {text(values.state_dir)}
# Sockets. The path must be short: the kernel refuses more than 107 bytes with the name.
runtime_dir = {text(values.runtime_dir)}
# One folder a device class: what it can do, and what may leave the site.
profiles_dir = {text(values.profiles_dir)}
"""


def _broker(broker: Broker) -> str:
    external = (
        f"""\
# The broker's unix socket for the gateway.
socket = {text(broker.socket)}
# The file with the password of the broker's user "gateway".
password_file = {text(broker.password_file)}
"""
        if broker.mode == "external"
        else ""
    )
    return f"""
[broker]
# managed: the gateway starts mosquitto as its child; external: a unit or a cluster runs it.
mode = {text(broker.mode)}
# Where devices connect with their certificate.
port = {broker.port}
{external}"""


def _uplink(values: Values) -> str:
    uplink = values.uplink or UplinkFiles("", "", "", "")
    return f"""
[uplink]
# Where batches go, https only. Empty: nothing leaves the site and the queue stays here.
url = {text(uplink.url)}
# The CA that signed the receiver's certificate. No other is trusted.
ca_file = {text(uplink.ca_file)}
# The gateway's own client certificate there, and its private key (mode 0600).
certificate_file = {text(uplink.certificate_file)}
key_file = {text(uplink.key_file)}
"""


def _web(values: Values) -> str:
    return f"""
[web]
# The status page, on this machine only until it has a login.
port = {values.web_port}
"""
