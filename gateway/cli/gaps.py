"""``site-gateway spool gaps``: what each device sent, resent, declared lost and missed."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from gateway.cli.asking import EXIT_CODES, Document, answered, ask
from gateway.cli.where import Commands, add_config
from gateway.model.gaps import DAYS_KEPT
from gateway.web import words
from gateway.web.status import GapsStatus

WORDS = "what each device sent, resent, declared lost and missed"


def add_verb(verbs: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``gaps`` to the verbs of ``spool``."""
    parser = verbs.add_parser(
        "gaps",
        help=WORDS,
        description=f"Say {WORDS}. 'lost' is what the gateway had taken and could neither deliver "
        f"nor keep, since the queue's file exists. {EXIT_CODES}",
    )
    add_config(parser)
    parser.add_argument("--device", default="", metavar="ID", help="this device alone")
    parser.add_argument(
        "--days", type=int, default=7, help=f"how many days, today (UTC) included: 1 to {DAYS_KEPT}"
    )
    parser.add_argument("--json", action="store_true", help="print the whole document")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the report and return the exit code."""
    query = {"days": str(arguments.days)} | (
        {"device": arguments.device} if arguments.device else {}
    )

    async def asking(socket_path: Path) -> Document:
        return await ask(socket_path, "GET", f"/v1/gaps?{urlencode(query)}")

    return answered(arguments, asking, lines)


def lines(document: Document) -> Iterator[str]:
    """Yield one line a device."""
    report = msgspec.convert(document, GapsStatus)
    for one in report.devices:
        yield f"{one.device}: {words.gap(one)}"
    if not report.devices:
        yield f"no device was heard in the last {report.days} days"
