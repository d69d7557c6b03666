"""What ``init`` was asked for, checked and completed before anything is made. Pure.

All findings are collected: an engineer who wrote five options wrong reads five sentences.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.cli.template import Broker, UplinkFiles, Values
from gateway.identity import names
from gateway.identity.names import IpNetwork, Permitted, ServerNames

SYSTEM_CONFIG: Final = Path("/etc/site-gateway/gateway.toml")
SYSTEM_STATE: Final = Path("/var/lib/site-gateway")
SYSTEM_RUNTIME: Final = Path("/run/site-gateway")

SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path without its final zero
SOCKET_NAME_BYTES_MAX: Final = 27  # for the longest name in the runtime folder


@dataclass(frozen=True, slots=True)
class Options:
    """The options as given; all paths absolute, None where an option was left out."""

    config: Path
    name: str
    ips: tuple[str, ...]
    dns: tuple[str, ...]
    profiles_dir: Path
    broker_mode: str
    broker_port: int
    web_port: int
    state_dir: Path | None = None
    runtime_dir: Path | None = None
    broker_socket: Path | None = None
    broker_password_file: Path | None = None
    uplink_url: str | None = None
    uplink_ca: Path | None = None
    uplink_certificate: Path | None = None
    uplink_key: Path | None = None


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A site that can be made."""

    config: Path
    state_dir: Path
    runtime_dir: Path
    name: str
    addresses: tuple[str, ...]
    permitted: Permitted
    server_names: ServerNames
    values: Values


def check(options: Options, uid: int) -> SitePlan | tuple[str, ...]:
    """Return what to make, or a sentence for each option that cannot be used."""
    findings: list[str] = []
    name = _name(options.name, findings)
    addresses, networks = _ips(options.ips, findings)
    hosts = _hosts(options.dns, findings)
    if not options.ips and not options.dns:
        findings.append("no address: say with --ip or --dns where devices reach this machine")
    folder = options.config.parent
    system = options.config == SYSTEM_CONFIG
    state_dir = options.state_dir or (SYSTEM_STATE if system else folder / "state")
    runtime_dir = options.runtime_dir or (
        SYSTEM_RUNTIME if system else private_runtime(options.config, uid)
    )
    findings += _path_findings(options, state_dir, runtime_dir)
    uplink = _uplink(options, findings)
    broker = _broker(options, findings)
    if options.web_port == options.broker_port:
        findings.append(f"--broker-port and --web-port are both {options.web_port}: change one")
    if findings:
        return tuple(findings)
    try:
        server_names = names.server_names(name, (*addresses, *hosts))
    except ValueError as error:
        return (str(error),)
    return SitePlan(
        options.config,
        state_dir,
        runtime_dir,
        name,
        (*addresses, *hosts),
        names.permitted(name, networks, hosts),
        server_names,
        Values(
            name=name,
            addresses=(*addresses, *hosts),
            state_dir=as_written(state_dir, folder),
            runtime_dir=as_written(runtime_dir, folder),
            profiles_dir=as_written(options.profiles_dir, folder),
            broker=broker,
            web_port=options.web_port,
            uplink=uplink,
        ),
    )


def private_runtime(config: Path, uid: int) -> Path:
    """Return a short folder for sockets that belongs to this user and configuration."""
    digest = hashlib.sha256(str(config).encode()).hexdigest()
    return Path(f"/tmp/site-gateway-{uid}-{digest[:8]}")  # noqa: S108  # made with 0700 and its owner checked


def as_written(path: Path, folder: Path) -> str:
    """Return ``path`` as the configuration in ``folder`` says it: inside it relative.

    So a folder that holds a whole site can be moved.
    """
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _name(text: str, findings: list[str]) -> str:
    try:
        return names.site_name(text)
    except ValueError as error:
        findings.append(f"--name: {error}")
        return text


def _ips(texts: tuple[str, ...], findings: list[str]) -> tuple[list[str], list[IpNetwork]]:
    addresses: list[str] = []
    networks: list[IpNetwork] = []
    for text in texts:
        try:
            address, network = names.ip_network(text)
        except ValueError as error:
            findings.append(f"--ip: {error}")
        else:
            addresses.append(str(address))
            networks.append(network)
    return list(dict.fromkeys(addresses)), networks


def _hosts(texts: tuple[str, ...], findings: list[str]) -> list[str]:
    hosts: list[str] = []
    for text in texts:
        try:
            hosts.append(names.dns_name(text))
        except ValueError as error:
            findings.append(f"--dns: {error}")
    return list(dict.fromkeys(hosts))


def _path_findings(options: Options, state_dir: Path, runtime_dir: Path) -> list[str]:
    findings: list[str] = []
    longest = len(str(runtime_dir).encode(errors="surrogateescape")) + 1 + SOCKET_NAME_BYTES_MAX
    if longest > SOCKET_PATH_BYTES_MAX:
        findings.append(
            f"--runtime-dir {runtime_dir}: a socket in it would have a path of up to {longest} "
            f"bytes, and the kernel takes {SOCKET_PATH_BYTES_MAX}: choose a shorter folder"
        )
    if state_dir == runtime_dir:
        findings.append("--state-dir and --runtime-dir are one folder: choose two")
    if options.config.name == "" or options.config.is_relative_to(state_dir):
        findings.append(
            f"--config {options.config} lies inside the state folder {state_dir}: keep it outside"
        )
    return findings + [
        f"{str(path)!r} has unprintable characters: choose another path"
        for path in (options.config, state_dir, runtime_dir, options.profiles_dir)
        if not str(path).isprintable()
    ]


def _uplink(options: Options, findings: list[str]) -> UplinkFiles | None:
    url, ca, certificate, key = (
        options.uplink_url,
        options.uplink_ca,
        options.uplink_certificate,
        options.uplink_key,
    )
    if url is None and ca is None and certificate is None and key is None:
        return None
    if url is None or ca is None or certificate is None or key is None:
        findings.append(
            "an uplink needs all of --uplink-url, --uplink-ca, --uplink-certificate and "
            "--uplink-key, or none of them"
        )
        return None
    if not url.startswith("https://"):
        findings.append(f"--uplink-url {url!r}: batches go over https only")
    folder = options.config.parent
    return UplinkFiles(
        url, as_written(ca, folder), as_written(certificate, folder), as_written(key, folder)
    )


def _broker(options: Options, findings: list[str]) -> Broker:
    external = options.broker_mode == "external"
    socket, password_file = options.broker_socket, options.broker_password_file
    if external and (socket is None or password_file is None):
        findings.append(
            "--broker-mode external needs --broker-socket and --broker-password-file: "
            "the gateway's own way into that broker"
        )
    if not external and (socket is not None or password_file is not None):
        findings.append(
            "--broker-socket and --broker-password-file belong to --broker-mode external"
        )
    folder = options.config.parent
    return Broker(
        options.broker_mode,
        options.broker_port,
        "" if socket is None else as_written(socket, folder),
        "" if password_file is None else as_written(password_file, folder),
    )
