"""``site-gateway profile check|list``: firmware profiles and their contracts, without a gateway.

Exit codes: 0 all usable, 2 something is not (then every finding is printed).
"""

import argparse
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.cli.exits import DONE, UNUSABLE
from gateway.fleet.findings import Finding
from gateway.fleet.folder import Report, check

CONFIG_FILES: Final = (Path(".site/gateway.toml"), Path("/etc/site-gateway/gateway.toml"))
SHIPPED_FOLDERS: Final = (
    Path(__file__).parents[2] / "firmware-profiles",  # a checkout
    Path(sys.prefix) / "share/site-gateway/firmware-profiles",  # an installed package
)


def add_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",  # pyright: ignore[reportPrivateUsage] - it has no public name
) -> None:
    """Add ``profile`` with its verbs to the program's commands."""
    noun = commands.add_parser("profile", help="check and list firmware profiles")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    checking = verbs.add_parser(
        "check",
        help="say what is wrong with profiles and contracts, by file, line and field",
        description="Checks profile.yaml and contract.yaml. Exit code 0: all usable; 2: findings.",
    )
    listing = verbs.add_parser("list", help="list the profiles that devices can have")
    for verb in (checking, listing):
        verb.add_argument(
            "paths",
            nargs="*",
            type=Path,
            metavar="PATH",
            help="a folder of profiles, one profile's folder, or one file "
            "(default: profiles_dir of the configuration, else the shipped profiles)",
        )
        verb.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            default=argparse.SUPPRESS,  # else it would overrule a --config before the noun
            help="the gateway's configuration, for its profiles_dir",
        )
        verb.add_argument("--json", action="store_true", help="print one JSON object")
    noun.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Run one verb, print its product and return the exit code."""
    report = Report()
    for path in arguments.paths or default_paths(arguments, report):
        report.add(check(path))
    if arguments.json:
        listing = _listing(report) if arguments.verb == "list" else {}
        print(msgspec.json.encode(_outcome(report) | listing).decode())
    elif arguments.verb == "check":
        print("\n".join(_judgement(report)))
    else:
        print("\n".join(_table(report)))
        for finding in sorted(report.findings):
            print(finding, file=sys.stderr)
    return UNUSABLE if report.findings else DONE


def default_paths(arguments: argparse.Namespace, report: Report) -> list[Path]:
    """Return where profiles are when nobody says; a bad configuration becomes a finding.

    One key is read and no other, so that a profile can be checked while the rest of the
    configuration is still being written.
    """
    named: Path | None = getattr(arguments, "config", None)
    configs = [named] if named else [each for each in CONFIG_FILES if each.is_file()]
    if not configs:
        return [next((each for each in SHIPPED_FOLDERS if each.is_dir()), SHIPPED_FOLDERS[0])]
    config = configs[0]
    try:
        table: dict[str, Any] = tomllib.loads(config.read_text(encoding="utf-8"))
        return [config.parent / str(table["site"]["profiles_dir"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"expected a readable site.profiles_dir, got {type(error).__name__} ({error}): "
            "correct it ('site-gateway config check' says more), or name the profiles' folder"
        )
        report.findings.append(Finding(str(config), 0, "site.profiles_dir", message))
        return []


def _outcome(report: Report) -> dict[str, object]:
    return {
        "ok": not report.findings,
        "files": report.files,
        "findings": [asdict(each) for each in sorted(report.findings)],
        "notes": [asdict(each) for each in sorted(report.notes)],
    }


def _judgement(report: Report) -> list[str]:
    lines = [str(each) for each in sorted(report.findings)]
    lines += [f"{each} (a note)" for each in sorted(report.notes)]
    count = f"{len(report.files)} files, {len(report.findings)} findings"
    return [*lines, f"{count}: {'not usable' if report.findings else 'usable'}"]


def _listing(report: Report) -> dict[str, object]:
    """Return what each profile says, and the digest of the contract that goes with it."""
    return {
        "profiles": [
            msgspec.to_builtins(profile) | {"contract_sha256": contract.sha256}
            for profile, contract in report.catalogue.values()
        ]
    }


def _table(report: Report) -> list[str]:
    rows = [("NAME", "TRUST", "VERIFIES", "CORES", "RAM MB", "ACCELERATOR")]
    rows += [
        (
            profile.name,
            profile.trust,
            profile.verifies,
            str(profile.hardware.cores),
            f"{profile.hardware.ram_mb:g}",
            profile.hardware.accelerator or "-",
        )
        for profile, _ in report.catalogue.values()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
