"""``site-gateway spool drops``: what ended without having reached the cloud, and why."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.cli.asking import EXIT_CODES, Document, answered, ask
from gateway.cli.where import Commands, add_config
from gateway.spool.counted import Drop

WORDS = "what ended without having reached the cloud, by device, class and reason"


def add_verb(verbs: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``drops`` to the verbs of ``spool``."""
    parser = verbs.add_parser(
        "drops",
        help=WORDS,
        description=f"Say {WORDS}, since the queue's file exists. Reasons: expired (its contract's "
        "retention was over, which is how what never leaves ends, too), shed (there was no room: "
        "'class-budget', 'budget', 'disk', or an operator dropped it), dead-lettered (refused for "
        f"good). Device '*' stands for all that are too many to name. {EXIT_CODES}",
    )
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print the whole document")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the counts and return the exit code."""

    async def asking(socket_path: Path) -> Document:
        return await ask(socket_path, "GET", "/v1/drops")

    return answered(arguments, asking, lines)


def lines(document: Document) -> Iterator[str]:
    """Yield one line a count."""
    drops = msgspec.convert(document["drops"], list[Drop])
    for one in drops:
        yield f"{one.device:24} {one.message_class:9} {one.reason:24} {one.messages:>12,}"
    if not drops:
        yield "nothing was dropped"
