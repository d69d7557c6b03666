"""``site-gateway config check``: is this configuration fit to run, without running it?"""

import argparse
from pathlib import Path

import msgspec

from gateway.cli.exits import DONE, UNUSABLE
from gateway.cli.where import Commands, add_config, config_path
from gateway.config import Config, ConfigError, load
from gateway.fleet.folder import check
from gateway.identity import interfaces, names


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``config`` with its verbs to the program's commands."""
    noun = commands.add_parser("config", help="check the configuration")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    checking = verbs.add_parser(
        "check",
        help="say everything that is wrong with gateway.toml and the profiles",
        description="Exit codes: 0 fit to run (notes may be printed), 2 not.",
    )
    add_config(checking)
    checking.add_argument("--json", action="store_true", help="print one JSON object")
    noun.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Check and return the exit code."""
    path = config_path(arguments)
    findings: list[str] = []
    notes: list[str] = []
    try:
        config = load(path)
    except ConfigError as error:
        findings = error.findings
    else:
        findings = _findings(config)
        notes = list(names.check_interfaces(config.site.addresses, interfaces.addresses()))
    if arguments.json:
        told = {"ok": not findings, "file": str(path), "findings": findings, "notes": notes}
        print(msgspec.json.encode(told).decode())
    else:
        for finding in findings:
            print(finding)
        for note in notes:
            print(f"note: {note}")
        if not findings:
            print(f"{path}: fit to run")
    return UNUSABLE if findings else DONE


def _findings(config: Config) -> list[str]:
    """Return what only the disk can tell: profiles and the files that the uplink needs."""
    found = [str(finding) for finding in check(Path(config.site.profiles_dir)).findings]
    for key in ("ca_file", "certificate_file", "key_file"):
        file = getattr(config.uplink, key)
        if config.uplink.url and not Path(file).is_file():
            found.append(f"uplink.{key}: {file} is not there: put the file there, or correct it")
    return found
