"""``site-gateway clock``: the site's own time, and whether the wall clock is believed."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime

from gateway.cli.asking import EXIT_CODES, Document, answered, ask
from gateway.cli.where import Commands, add_config


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``clock`` to the program's commands."""
    noun = commands.add_parser("clock", help="the site's time, and whether the clock is believed")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, method, path, words in (
        ("show", "GET", "/v1/clock", "the site's own time beside the wall clock"),
        ("confirm", "POST", "/v1/clock/confirm", "say that the wall clock is right as it is now"),
    ):
        parser = verbs.add_parser(verb, help=words, description=f"{words}. {EXIT_CODES}")
        add_config(parser)
        parser.add_argument("--json", action="store_true", help="print the whole document")
        parser.set_defaults(run=_main, method=method, path=path)


def _main(arguments: argparse.Namespace) -> int:
    return answered(arguments, lambda socket: ask(socket, arguments.method, arguments.path), _lines)


def _lines(document: Document) -> Iterator[str]:
    for name, key in (("site time", "site_ms"), ("wall clock", "wall_ms")):
        moment = datetime.fromtimestamp(document[key] / 1000, UTC)
        yield f"{name:11} {moment.strftime('%Y-%m-%d %H:%M:%S UTC')}"
    yield f"DOUBTFUL: {document['doubt']}" if document["doubt"] else "the wall clock is believed"
