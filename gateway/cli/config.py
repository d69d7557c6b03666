"""``site-gateway config check``: is this configuration fit to run, without running it?"""

import argparse
import asyncio
import re
from pathlib import Path

import msgspec

from gateway.app.horizon import by_plan
from gateway.app.offline import Places
from gateway.cli.exits import DONE, REFUSED, UNUSABLE
from gateway.cli.horizon import of_class
from gateway.cli.where import Commands, add_config, config_path
from gateway.config import Config, ConfigError, load
from gateway.fleet.findings import Unusable
from gateway.fleet.folder import check, read_profiles
from gateway.identity import interfaces, names
from gateway.spool.rates import Source
from gateway.web.measures import span

DURATION = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)(h|d)")
HOURS = {"h": 1, "d": 24}


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``config`` with its verbs to the program's commands."""
    noun = commands.add_parser("config", help="check the configuration")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    checking = verbs.add_parser(
        "check",
        help="say everything that is wrong with gateway.toml and the profiles",
        description="Exit codes: 0 fit to run (notes may be printed), 2 not, 3 fit to run but it "
        "would not survive the outage of --outage or of [plan] outage_h.",
    )
    add_config(checking)
    checking.add_argument(
        "--outage",
        type=hours,
        metavar="72h",
        help="require that an outage of the cloud of so long (h, d) costs nothing that may leave, "
        "at the rates of [plan], else at those that the queue has seen in the last day",
    )
    checking.add_argument("--json", action="store_true", help="print one JSON object")
    noun.set_defaults(run=main)


def hours(text: str) -> float:
    """Return the hours of ``72h`` or ``3d``.

    Raises:
        argparse.ArgumentTypeError: it is of another form.
    """
    found = DURATION.fullmatch(text)
    if found is None:
        msg = f"{text!r}: a number with its unit, h or d, such as 72h"
        raise argparse.ArgumentTypeError(msg)
    return float(found[1]) * HOURS[found[2]]


def main(arguments: argparse.Namespace) -> int:
    """Check and return the exit code."""
    path = config_path(arguments)
    findings: list[str] = []
    notes: list[str] = []
    losses: list[str] = []
    try:
        config = load(path)
    except ConfigError as error:
        findings = error.findings
    else:
        findings = _findings(config)
        notes = list(names.check_interfaces(config.site.addresses, interfaces.addresses()))
        outage_h = arguments.outage or config.plan.outage_h
        if outage_h and not findings:
            losses = _losses(config, outage_h, notes)
    code = UNUSABLE if findings else REFUSED if losses else DONE
    if arguments.json:
        told = {
            "ok": code == DONE,
            "file": str(path),
            "findings": findings,
            "losses": losses,
            "notes": notes,
        }
        print(msgspec.json.encode(told).decode())
        return code
    for line in (*findings, *losses, *(f"note: {note}" for note in notes)):
        print(line)
    if code == DONE:
        print(f"{path}: fit to run")
    return code


def _losses(config: Config, outage_h: float, notes: list[str]) -> list[str]:
    """Return what an outage of ``outage_h`` hours would cost, a sentence each."""
    catalogue = read_profiles(Path(config.site.profiles_dir))
    if isinstance(catalogue, Unusable):  # it was checked a moment ago
        return [str(catalogue)]
    contracts = [contract.contract for _, contract in catalogue.values()]
    found = asyncio.run(by_plan(config, Places.of(config).spool_db, contracts))
    outage = span(outage_h * 3_600)
    if found.rates.source is Source.UNKNOWN:
        what = "write what the site will send into [plan], or ask again when it has run for a day"
        return [f"outage of {outage}: no rates are known: {what}"]
    source = found.rates.source.value
    if found.rates.source is Source.MEASURED:
        source = f"{source} over {span(found.rates.hours * 3_600)}"
    lost = {one.message_class.value for one in found.losing(outage_h)}
    told = [of_class(one) for one in found.document().classes if one.message_class in lost]
    if not told:
        notes.append(f"an outage of {outage} is survived at the rates {source}")
    return [f"outage of {outage}, rates {source}: {' '.join(one.split())}" for one in told]


def _findings(config: Config) -> list[str]:
    """Return what only the disk can tell: profiles and the files that the uplink needs."""
    found = [str(finding) for finding in check(Path(config.site.profiles_dir)).findings]
    for key in ("ca_file", "certificate_file", "key_file"):
        file = getattr(config.uplink, key)
        if config.uplink.url and not Path(file).is_file():
            found.append(f"uplink.{key}: {file} is not there: put the file there, or correct it")
    return found
