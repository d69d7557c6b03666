"""``site-gateway device add|list``: the devices of the site, with or without a running gateway.

The private key is drawn here and stays in the device's folder: the gateway sees a
certificate request. With a running gateway it decides; without one, the command takes the
state lock and decides with the same code.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from gateway.app.clock import SystemClock
from gateway.app.deeds import add_device
from gateway.app.offline import STATE_MIGRATIONS, Places
from gateway.cli.client import SOCKET_NAME, GatewayUnreachableError, document, request
from gateway.cli.devicefolder import DeviceFolder
from gateway.cli.exits import DONE, FAILED, REFUSED, UNREACHABLE, UNUSABLE
from gateway.cli.profile import CONFIG_FILES
from gateway.config import Config, ConfigError, load
from gateway.fleet.findings import Unusable
from gateway.fleet.folder import read_profiles
from gateway.identity import keys, pki, store
from gateway.identity.connection import Connection, Granted
from gateway.identity.enrolment import Candidate, RequestRefused, enrol
from gateway.identity.inventory import UNCONFIRMED, Addition, listed
from gateway.identity.names import server_names
from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.model.identity import DeviceId, device_id
from gateway.model.time import SiteTime
from gateway.store import site_time
from gateway.store.lock import StateLockedError, hold
from gateway.store.sqlite import open_offline, transaction


class UnusableError(Exception):
    """An argument cannot be used; the message says what can."""


def add_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",  # pyright: ignore[reportPrivateUsage] - it has no public name
) -> None:
    """Add ``device`` with its verbs to the program's commands."""
    noun = commands.add_parser("device", help="add and list the devices of this site")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    adding = verbs.add_parser(
        "add",
        help="enrol a device and write the folder it needs to connect",
        description="Writes key.pem, cert.pem, ca.pem and connection.json. Exit codes: 0 done, "
        "1 failed, 2 unusable argument, 3 refused (id taken, site full, DIR not empty), "
        "4 a gateway holds the state and does not answer.",
    )
    adding.add_argument("id", help="1 to 63 of a-z, 0-9 and '-'")
    adding.add_argument("--profile", required=True, help="its firmware profile")
    adding.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new folder")
    adding.add_argument(
        "--host", help="where the device connects (default: the first of site.addresses)"
    )
    listing = verbs.add_parser("list", help="list the devices")
    for verb in (adding, listing):
        verb.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            default=argparse.SUPPRESS,  # else it would overrule a --config before the noun
            help="the gateway's configuration",
        )
        verb.add_argument("--json", action="store_true", help="print one JSON object")
    noun.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Run one verb and return the exit code."""
    verb = _add if arguments.verb == "add" else _list
    try:
        return verb(load(_config_path(arguments)), arguments)
    except (UnusableError, ConfigError) as error:
        return _complain(error, UNUSABLE)
    except (GatewayUnreachableError, StateLockedError) as error:
        return _complain(error, UNREACHABLE)
    except RefusedError as error:
        return _complain(error, REFUSED)
    except (OperatorFaultError, OSError) as error:
        return _complain(error, FAILED)


def _config_path(arguments: argparse.Namespace) -> Path:
    named: Path | None = getattr(arguments, "config", None)
    return named or next((each for each in CONFIG_FILES if each.is_file()), CONFIG_FILES[-1])


def _complain(error: Exception, code: int) -> int:
    for line in str(error).splitlines():
        print(f"site-gateway device: {line}", file=sys.stderr)
    return code


def _add(config: Config, arguments: argparse.Namespace) -> int:
    """Enrol the device and write its folder.

    Crash: between the inventory's commit and the folder, the id is taken and nobody has
    its certificate; the device is added under another id.
    """
    device, candidate = _candidate(config, arguments.id, arguments.profile)
    host = _host(config, arguments.host)
    with DeviceFolder(Path(os.path.abspath(arguments.out))) as folder:  # noqa: PTH100  # resolve() would follow links
        csr_pem = keys.certificate_request(folder.key, device)
        granted = _granted(config, candidate, csr_pem)
        connection = msgspec.structs.replace(granted.connection, host=host)
        folder.finish(msgspec.structs.replace(granted, connection=connection))
    told = {"id": device, "profile": candidate.profile, "out": str(folder.out), "host": host}
    if arguments.json:
        print(msgspec.json.encode(told).decode())
    else:
        print(f"{device} is enrolled as {candidate.profile} and connects to {host}")
        print(f"  bring {folder.out} to the device, then delete it here: it holds the key")
    return DONE


def _candidate(config: Config, name: str, profile: str) -> tuple[DeviceId, Candidate]:
    try:
        device = device_id(name)
    except ValueError as error:
        raise UnusableError(str(error)) from error
    profiles = read_profiles(Path(config.site.profiles_dir))
    if isinstance(profiles, Unusable):
        raise UnusableError("\n".join(map(str, profiles.findings)))
    if profile not in profiles:
        msg = f"no profile {profile!r}; there are: {', '.join(sorted(profiles))}"
        raise UnusableError(msg)
    return device, Candidate(device, profile, profiles[profile][0].trust)


def _host(config: Config, wanted: str | None) -> str:
    """Return where the device connects: a name that the server certificate bears."""
    if wanted is None:
        return config.site.addresses[0]
    known = server_names(config.site.name, config.site.addresses).texts()
    if wanted not in known:
        msg = (
            f"--host {wanted}: the server certificate does not bear it, so the device would "
            f"refuse the gateway; it bears {', '.join(known)}. Add it to [site] addresses and "
            "restart the gateway first"
        )
        raise UnusableError(msg)
    return wanted


def _granted(config: Config, candidate: Candidate, csr_pem: bytes) -> Granted:
    """Return what the running gateway grants or, where none runs, what this process does."""
    socket = Places.of(config).runtime / SOCKET_NAME
    wish = {"id": candidate.id, "profile": candidate.profile, "csr_pem": csr_pem.decode()}
    try:
        status, answer = asyncio.run(request(socket, "POST", "/v1/devices", wish))
    except GatewayUnreachableError:
        return _granted_offline(config, candidate, csr_pem)
    if status < HTTPStatus.BAD_REQUEST:
        return msgspec.convert(answer, Granted)
    reason = str(answer.get("error", f"the gateway answered {status}"))
    if status == HTTPStatus.CONFLICT:
        raise RefusedError(reason)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UnusableError(reason)
    raise OperatorFaultError(reason)


def _granted_offline(config: Config, candidate: Candidate, csr_pem: bytes) -> Granted:
    """Decide as the gateway would, while no gateway can start.

    Raises:
        StateLockedError: a gateway holds the state, though it does not answer.
        RefusedError: the id is taken or the site is full.
        OperatorFaultError: there is no site here, or its files are not fit.
    """
    places = Places.of(config)
    authority = pki.load_authority(places.state / pki.FOLDER)
    places.require_state()
    with hold(places.lock), open_offline(places.state_db, STATE_MIGRATIONS) as db:
        now = SystemClock(SiteTime(0)).wall()
        enrolled = enrol(csr_pem, candidate, now, authority.issue_device)
        if isinstance(enrolled, RequestRefused):
            raise UnusableError(enrolled.reason)
        with transaction(db):
            at = SiteTime(max(now, site_time.floor(db)))
            addition = add_device(db, enrolled.device, config.intake.max_devices, at)
    match addition:
        case Addition.EXISTS:
            msg = f"a device {candidate.id} exists already: choose another id"
            raise RefusedError(msg)
        case Addition.FULL:
            msg = f"the site has its {config.intake.max_devices} devices (intake.max_devices)"
            raise RefusedError(msg)
        case Addition.RESTORED:
            raise RefusedError(UNCONFIRMED)
        case Addition.ADDED:
            return Granted(
                enrolled.certificate_pem.decode(),
                authority.certificate_pem().decode(),
                Connection(
                    id=candidate.id,
                    profile=candidate.profile,
                    host=config.site.addresses[0],
                    mqtt_port=config.broker.port,
                ),
            )


def _list(config: Config, arguments: argparse.Namespace) -> int:
    places = Places.of(config)
    try:
        answer = asyncio.run(document(places.runtime / SOCKET_NAME, "/v1/devices"))
    except GatewayUnreachableError:
        pki.load_authority(places.state / pki.FOLDER)  # else this would begin a site's database
        places.require_state()
        with hold(places.lock), open_offline(places.state_db, STATE_MIGRATIONS) as db:
            answer = {"devices": [listed(device) for device in store.devices(db)]}
    if arguments.json:
        print(msgspec.json.encode(answer).decode())
    else:
        print("\n".join(_table(answer["devices"])))
    return DONE


def _table(devices: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [("ID", "PROFILE", "ACCESS", "VALID UNTIL")]
    rows += [
        (
            str(one["id"]),
            str(one["profile"]),
            str(one["access"]),
            datetime.fromtimestamp(int(one["not_after_ms"]) / 1000, UTC).date().isoformat(),
        )
        for one in devices
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
