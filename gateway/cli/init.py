"""``site-gateway init``: make a site: its CA, its first certificate, its configuration.

Nothing is overwritten and nothing stays half made: the configuration is written last, and
a run that fails takes back what it made.
"""

import argparse
import os
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.app.clock import SystemClock
from gateway.cli.exits import DONE, FAILED, REFUSED, UNUSABLE
from gateway.cli.profile import SHIPPED_FOLDERS
from gateway.cli.siteplan import SYSTEM_CONFIG, Options, SitePlan, check
from gateway.cli.template import render
from gateway.config import ConfigError, parse
from gateway.identity import interfaces, keys, names, pki, recovery
from gateway.identity.authority import Authority
from gateway.identity.files import PUBLIC_FILE, private_folder, write_whole
from gateway.identity.limits import CLOCK_FLOOR_MS, KEY_FILE_BYTES_MAX
from gateway.identity.pki import NewSite, SiteExistsError
from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.model.time import SiteTime, UnixMs

_KEEP_SAFE: Final = """
  ** The private recovery key of this site lies in
  **   {path}
  ** Whoever has it opens the site's backups and its CA key; without it a broken gateway
  ** cannot be restored. Move it to the company's safe now (an offline medium, two copies)
  ** and delete it here. Until then the status page shows 'recovery-key-on-site'.
"""


def add_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",  # pyright: ignore[reportPrivateUsage] - it has no public name
) -> None:
    """Add ``init`` to the program's commands."""
    parser = commands.add_parser(
        "init",
        help="make a new site: CA, server certificate, configuration",
        description="Makes a site once. Exit codes: 0 made, 1 failed (nothing is left), "
        "2 unusable options, 3 a site is already there.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=argparse.SUPPRESS,  # else it would overrule a --config before the command
        help=f"the configuration to write (default: {SYSTEM_CONFIG})",
    )
    parser.add_argument("--name", required=True, help="the site's name, in all its certificates")
    parser.add_argument(
        "--ip",
        action="append",
        default=[],
        metavar="IP[/LENGTH]",
        help="an address of this machine that devices connect to; with a length (as in "
        "192.168.7.5/24) it may later move inside that network. Repeat for more",
    )
    parser.add_argument(
        "--dns", action="append", default=[], metavar="NAME", help="a host name of this machine"
    )
    parser.add_argument(
        "--recovery-key",
        type=Path,
        metavar="PUB.pem",
        help="the company's offline recovery key, public half (EC P-256, PEM); without it a "
        "pair is made, and its private half must be moved off this machine",
    )
    _add_places(parser)
    _add_connections(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=main)


def _add_places(parser: argparse.ArgumentParser) -> None:
    places = parser.add_argument_group("places")
    places.add_argument("--state-dir", type=Path, metavar="DIR", help="databases and keys")
    places.add_argument("--runtime-dir", type=Path, metavar="DIR", help="sockets; a short path")
    places.add_argument("--profiles-dir", type=Path, metavar="DIR", help="firmware profiles")


def _add_connections(parser: argparse.ArgumentParser) -> None:
    connections = parser.add_argument_group("connections")
    connections.add_argument("--broker-mode", choices=("managed", "external"), default="managed")
    connections.add_argument("--broker-port", type=_port, default=8883, metavar="PORT")
    connections.add_argument("--broker-socket", type=Path, metavar="FILE", help="external only")
    connections.add_argument(
        "--broker-password-file", type=Path, metavar="FILE", help="external only"
    )
    connections.add_argument("--web-port", type=_port, default=8444, metavar="PORT")
    connections.add_argument("--uplink-url", metavar="URL", help="where batches go: https://...")
    connections.add_argument("--uplink-ca", type=Path, metavar="FILE")
    connections.add_argument("--uplink-certificate", type=Path, metavar="FILE")
    connections.add_argument("--uplink-key", type=Path, metavar="FILE")


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65_535:  # noqa: PLR2004  # a port's range is no magic number
        msg = f"{number} is no port: use 1 to 65535"
        raise argparse.ArgumentTypeError(msg)
    return number


def main(arguments: argparse.Namespace) -> int:
    """Make the site and return the exit code."""
    plan = check(_options(arguments), os.geteuid())
    if not isinstance(plan, SitePlan):
        for finding in plan:
            _complain(finding)
        return UNUSABLE
    given: Path | None = arguments.recovery_key
    try:
        parse(render(plan.values).encode(), str(plan.config), plan.config.parent)
    except ConfigError as error:
        for finding in error.findings:
            _complain(finding)
        return UNUSABLE
    try:
        company_key = None if given is None else _company_key(given)
    except (OperatorFaultError, OSError) as error:
        _complain(f"--recovery-key: {error}")
        return UNUSABLE
    try:
        made = make(plan, company_key, SystemClock(SiteTime(0)).wall())
    except RefusedError as error:
        _complain(str(error))
        return REFUSED
    except (OperatorFaultError, OSError) as error:
        _complain(f"{error}; nothing was made")
        return FAILED
    _tell(plan, made, _interface_findings(plan), as_json=arguments.json)
    return DONE


@dataclass(frozen=True, slots=True)
class Made:
    """A site that is on the disk."""

    authority: Authority
    recovery_key: ec.EllipticCurvePublicKey
    recovery_file: Path | None
    """Where the private recovery key lies, when it was made here."""


def make(plan: SitePlan, company_key: ec.EllipticCurvePublicKey | None, now: UnixMs) -> Made:
    """Make the site.

    Crash: killed before the end, there is no configuration, so no site; what lies in the
    state folder then is refused by name at the next attempt.

    Raises:
        RefusedError: a site, its configuration or a recovery key is there already.
        OperatorFaultError: a folder or the clock is not fit; nothing is left behind.
        OSError: the disk refused; nothing is left behind.
    """
    if now < CLOCK_FLOOR_MS:
        msg = (
            "the clock of this machine is years behind, and the site CA would begin in the "
            "past for ever: set the clock (timedatectl) first"
        )
        raise OperatorFaultError(msg)
    own_key, recovery_key = None, company_key
    if recovery_key is None:
        own_key = keys.draw()
        recovery_key = own_key.public_key()
    recovery_file = plan.config.parent / pki.RECOVERY_PRIVATE_FILE
    _refuse_existing(plan.config, "use that site, or give another --config")
    if own_key is not None:
        _refuse_existing(recovery_file, "it may open the backups of a site: move it to the safe")
    with ExitStack() as undo:
        _make_parents(plan.config, undo)
        _make_parents(plan.state_dir, undo)
        if private_folder(plan.state_dir):
            undo.callback(plan.state_dir.rmdir)
        site = NewSite(plan.name, plan.permitted, plan.server_names, recovery_key)
        authority = pki.create(plan.state_dir, site, now)
        undo.callback(shutil.rmtree, plan.state_dir / pki.FOLDER)
        if own_key is not None:
            undo.callback(recovery_file.unlink, missing_ok=True)
            keys.write(recovery_file, keys.to_pem(own_key))
        undo.callback(plan.config.unlink, missing_ok=True)
        write_whole(plan.config, render(plan.values).encode(), PUBLIC_FILE)
        undo.pop_all()
    return Made(authority, recovery_key, None if own_key is None else recovery_file)


def _refuse_existing(path: Path, advice: str) -> None:
    if os.path.lexists(path):
        msg = f"{path} is there already and is never overwritten: {advice}"
        raise SiteExistsError(msg)


def _make_parents(path: Path, undo: ExitStack) -> None:
    missing = [each for each in path.parents if not each.exists()]
    for folder in reversed(missing):
        folder.mkdir()
        undo.callback(folder.rmdir)


def _company_key(path: Path) -> ec.EllipticCurvePublicKey:
    with path.open("rb") as file:
        return keys.recovery_public_key(file.read(KEY_FILE_BYTES_MAX), str(path))


def _interface_findings(plan: SitePlan) -> tuple[str, ...]:
    try:
        return names.check_interfaces(plan.addresses, interfaces.addresses())
    except OSError as error:
        return (f"the addresses were not compared with this machine's interfaces: {error}",)


def _complain(sentence: str) -> None:
    print(f"site-gateway init: {sentence}", file=sys.stderr)


def _tell(plan: SitePlan, made: Made, findings: tuple[str, ...], *, as_json: bool) -> None:
    ca_sha256 = made.authority.certificate.fingerprint(hashes.SHA256()).hex()
    if as_json:
        told = {
            "site": plan.name,
            "config": str(plan.config),
            "state_dir": str(plan.state_dir),
            "runtime_dir": str(plan.runtime_dir),
            "server_names": plan.server_names.texts(),
            "ca_sha256": ca_sha256,
            "recovery_key": recovery.key_id(made.recovery_key),
            "recovery_key_file": made.recovery_file and str(made.recovery_file),
            "findings": findings,
        }
        print(msgspec.json.encode(told).decode())
    else:
        print(f"site {plan.name} is made")
        print(f"  configuration  {plan.config}")
        print(f"  state and keys {plan.state_dir}")
        print(f"  server names   {', '.join(plan.server_names.texts())}")
        print(f"  site CA        SHA-256 {ca_sha256}")
        print(f"  next           site-gateway --config {plan.config} run")
    for finding in findings:
        _complain(f"note: {finding}")
    if made.recovery_file is not None:
        print(_KEEP_SAFE.format(path=made.recovery_file), file=sys.stderr)


def _options(arguments: argparse.Namespace) -> Options:
    """Return the options with absolute paths: the configuration may stand in another folder."""

    def absolute(path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow links

    config: Path = getattr(arguments, "config", None) or SYSTEM_CONFIG
    shipped = next((each for each in SHIPPED_FOLDERS if each.is_dir()), SHIPPED_FOLDERS[-1])
    return Options(
        config=absolute(config) or config,
        name=arguments.name,
        ips=tuple(arguments.ip),
        dns=tuple(arguments.dns),
        state_dir=absolute(arguments.state_dir),
        runtime_dir=absolute(arguments.runtime_dir),
        profiles_dir=absolute(arguments.profiles_dir) or shipped,
        broker_mode=arguments.broker_mode,
        broker_port=arguments.broker_port,
        broker_socket=absolute(arguments.broker_socket),
        broker_password_file=absolute(arguments.broker_password_file),
        web_port=arguments.web_port,
        uplink_url=arguments.uplink_url,
        uplink_ca=absolute(arguments.uplink_ca),
        uplink_certificate=absolute(arguments.uplink_certificate),
        uplink_key=absolute(arguments.uplink_key),
    )
