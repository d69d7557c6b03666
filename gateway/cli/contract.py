"""``site-gateway contract check|explain``: is a contract sound, and what does it mean?"""

import argparse
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from gateway.cli.asking import EXIT_CODES, Document, answered, ask
from gateway.cli.exits import DONE, UNUSABLE
from gateway.cli.profile import default_paths
from gateway.cli.where import Commands, add_config
from gateway.fleet.explain import Line, explain
from gateway.fleet.folder import Report, check_contracts
from gateway.model.contract import ContractInForce

WIDTH: Final = 96
INDENT: Final = " " * 14


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``contract`` with its verbs to the program's commands."""
    noun = commands.add_parser("contract", help="check data contracts and say what they mean")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    checking = verbs.add_parser(
        "check",
        help="say what is wrong with a contract, by line and field, and what it lets out",
        description="Without a running gateway. A default-contract.yaml beside the profile's "
        "folder is read too. Exit codes: 0 all usable, 2 findings.",
    )
    checking.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="a contract of any name, or a folder (default: profiles_dir of the configuration, "
        "else the shipped profiles)",
    )
    explaining = verbs.add_parser(
        "explain",
        help="say in plain words what a device may send, how long it stays and what leaves",
        description="Of a device: what the running gateway follows. With --file: what a contract "
        f"would mean, without a gateway. {EXIT_CODES}",
    )
    whose = explaining.add_mutually_exclusive_group(required=True)
    whose.add_argument("device", nargs="?", help="the device's id")
    whose.add_argument("--file", type=Path, metavar="FILE", help="a contract.yaml")
    for verb, run in ((checking, _check), (explaining, _explain)):
        add_config(verb)
        verb.add_argument("--json", action="store_true", help="print one JSON object")
        verb.set_defaults(run=run)


def _check(arguments: argparse.Namespace) -> int:
    report = Report()
    for path in arguments.paths or default_paths(arguments, report):
        report.add(check_contracts(path))
    if arguments.json:
        print(msgspec.json.encode(_outcome(report)).decode())
    else:
        print("\n".join(_judgement(report)))
    return UNUSABLE if report.findings else DONE


def _outcome(report: Report) -> Document:
    return {
        "ok": not report.findings,
        "files": report.files,
        "findings": [asdict(each) for each in sorted(report.findings)],
        "notes": [asdict(each) for each in sorted(report.notes)],
        "contracts": [_explained(file, one) for file, one in sorted(report.contracts.items())],
    }


def _explained(file: str, one: ContractInForce) -> Document:
    lines = [asdict(line) for line in explain(one.contract)]
    return {"file": file, "contract": one.contract.name, "sha256": one.sha256, "lines": lines}


def _judgement(report: Report) -> Iterator[str]:
    yield from map(str, sorted(report.findings))
    yield from (f"{each} (a note)" for each in sorted(report.notes))
    for file, one in sorted(report.contracts.items()):
        yield f"{file}: sha256 {one.sha256}"
        for line in explain(one.contract):
            if line.leaves:
                yield from _wrapped(f"  leaves: {line.subject}, ", line.form)
    count = f"{len(report.files)} files, {len(report.findings)} findings"
    yield f"{count}: {'not usable' if report.findings else 'usable'}"


def _explain(arguments: argparse.Namespace) -> int:
    if arguments.file is None:
        path = f"/v1/contracts/{quote(arguments.device, safe='')}"
        return answered(arguments, lambda socket: ask(socket, "GET", path), _told)
    report = check_contracts(arguments.file)
    found = next(iter(report.contracts.items()), None)
    if report.findings or found is None:
        for finding in sorted(report.findings):
            print(finding, file=sys.stderr)
        if not report.findings:
            print(f"{arguments.file}: expected one contract, got none", file=sys.stderr)
        return UNUSABLE
    document = _explained(*found)
    if arguments.json:
        print(msgspec.json.encode(document).decode())
    else:
        print("\n".join(_told(document)))
    return DONE


def _told(document: Document) -> Iterator[str]:
    if "device" in document:
        yield (
            f"{document['device']}, a {document['profile']}, {document['access']}: "
            f"contract {document['contract']}"
        )
    else:
        yield f"contract {document['contract']}"
    yield f"sha256 {document['sha256']}"
    for each in document["lines"]:
        yield ""
        yield from _block(msgspec.convert(each, Line))


def _block(line: Line) -> Iterator[str]:
    yield f"{line.subject} (sensitivity {line.sensitivity})"
    yield from _wrapped("  may send    ", line.may_send)
    yield from _wrapped("  stays       ", line.stays)
    yield from _wrapped("  leaves      ", line.form if not line.leaves else f"yes: {line.form}")
    yield from _wrapped("  because     ", line.because)


def _wrapped(head: str, text: Any) -> Iterator[str]:  # noqa: ANN401 -- from a document
    yield from textwrap.wrap(
        f"{head}{text}", WIDTH, subsequent_indent=INDENT, drop_whitespace=True
    ) or [head]
