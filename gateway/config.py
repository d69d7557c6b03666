"""One TOML text becomes frozen structs; unknown keys are errors, paths become absolute.

Each capability declares its own section in its ``limits.py``; here they are composed.
``docs/configuration.md`` lists every key.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from gateway.broker.files import SOCKET_PATH_BYTES_MAX
from gateway.broker.limits import BrokerLimits, queue_findings
from gateway.health.limits import AuditLimits, PlanLimits
from gateway.intake.limits import IntakeLimits
from gateway.model.errors import OperatorFaultError
from gateway.spool.limits import SpoolLimits, budget_findings
from gateway.uplink.limits import UplinkLimits
from gateway.web.limits import Limits as WebLimits

CONFIG_BYTES_MAX = 262_144
LONGEST_SOCKET: Final = "control.sock"  # change together with app/control.py

Text = Annotated[str, msgspec.Meta(min_length=1)]


class ConfigError(OperatorFaultError):
    """The configuration cannot be used; ``findings`` says everything that was found."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings


class SiteSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``[site]`` section: who and where this gateway is."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """The site's name, in every certificate and every upload."""
    addresses: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=32)]
    """Where devices reach this machine; all of them stand in the server certificate."""
    state_dir: Text
    """Databases, certificates and keys."""
    runtime_dir: Text
    """Sockets; a short path, since the kernel refuses more than 107 bytes."""
    profiles_dir: Text
    """The folder of the firmware profiles."""
    timezone: Text = "UTC"
    """The site's IANA time zone, as ``Europe/Berlin``: ``[[uplink.window]]`` is in it."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    site: SiteSection
    broker: BrokerLimits = BrokerLimits()
    intake: IntakeLimits = IntakeLimits()
    spool: SpoolLimits = SpoolLimits()
    uplink: UplinkLimits = UplinkLimits()
    web: WebLimits = WebLimits()
    audit: AuditLimits = AuditLimits()
    plan: PlanLimits = PlanLimits()


def load(path: Path) -> Config:
    """Read the configuration file ``path``.

    Raises:
        ConfigError: it is absent, is no TOML, or says what the gateway cannot follow.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror}; make a site with 'site-gateway init', or give --config"
        raise ConfigError([msg]) from error
    if len(content) > CONFIG_BYTES_MAX:
        raise ConfigError(
            [f"{path}: larger than {CONFIG_BYTES_MAX} bytes: this is no gateway.toml"]
        )
    return parse(content, str(path), path.absolute().parent)


def parse(content: bytes, name: str, folder: Path) -> Config:
    """Return the configuration in ``content``; relative paths begin at ``folder``.

    Raises:
        ConfigError: with a sentence for each finding, naming section and key.
    """
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{name}: no valid TOML: {error}"]) from error
    try:
        config = msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        raise ConfigError([f"{name}: {_plain(str(error))}"]) from error
    findings = queue_findings(
        config.broker,
        window=config.intake.window,
        devices=config.intake.max_devices,
        message_bytes=config.intake.planned_message_bytes,
    )
    findings += budget_findings(config.spool)
    config = _with_absolute_paths(config, folder)
    findings += _socket_findings(config.site.runtime_dir) + _zone_findings(config.site.timezone)
    if findings:
        raise ConfigError([f"{name}: {finding}" for finding in findings])
    return config


def _socket_findings(runtime_dir: str) -> list[str]:
    size = len(os.path.join(runtime_dir, LONGEST_SOCKET).encode())  # noqa: PTH118 -- a text
    if size <= SOCKET_PATH_BYTES_MAX:
        return []
    path = f"{runtime_dir}/{LONGEST_SOCKET}"
    most = SOCKET_PATH_BYTES_MAX
    msg = f"site.runtime_dir: {path} has {size} bytes and the kernel takes {most}"
    return [f"{msg}: choose a shorter folder"]


def _zone_findings(name: str) -> list[str]:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the latter two: no name at all
        return [f"site.timezone: {name!r} is no IANA time zone: write one like Europe/Berlin"]
    return []


_PLAIN: Final = (
    (
        re.compile(r"Object contains unknown field `(.*)`", re.DOTALL),
        "no such key: correct or remove it (docs/configuration.md lists all)",
    ),
    (re.compile(r"Object missing required field `(.*)`", re.DOTALL), "missing: write it"),
)


def _plain(message: str) -> str:
    """Turn msgspec's ``... - at `$.broker.port``` into ``broker.port: ...``."""
    found = re.fullmatch(r"(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?", message, re.DOTALL)
    where, what = (found["where"] or "", found["what"]) if found else ("", message)
    for pattern, words in _PLAIN:
        key = pattern.fullmatch(what)
        if key is not None:
            where, what = f"{where}.{key[1]}" if where else key[1], words
    return f"{where}: {what}" if where else what


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    def absolute(text: str) -> str:
        return os.path.abspath(folder / text) if text else ""  # noqa: PTH100 -- resolve() would follow links

    replace = msgspec.structs.replace
    site, broker, uplink = config.site, config.broker, config.uplink
    return replace(
        config,
        site=replace(
            site,
            state_dir=absolute(site.state_dir),
            runtime_dir=absolute(site.runtime_dir),
            profiles_dir=absolute(site.profiles_dir),
        ),
        broker=replace(
            broker,
            listen=broker.listen or site.addresses[0],
            socket=absolute(broker.socket),
            password_file=absolute(broker.password_file),
        ),
        uplink=replace(
            uplink,
            ca_file=absolute(uplink.ca_file),
            certificate_file=absolute(uplink.certificate_file),
            key_file=absolute(uplink.key_file),
        ),
    )
