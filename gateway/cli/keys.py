"""``site-gateway keys list|rotate``: the keys under which the queue lies on the disk."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from gateway.cli.asking import EXIT_CODES, Document, answered, ask
from gateway.cli.where import Commands, add_config

ROTATE: Final = (
    "draw a new key-encryption key and a new data key, and wrap all data keys anew at once; what "
    "waits is sealed anew in the background ('keys list' shows how far)"
)


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``keys`` to the program's commands."""
    noun = commands.add_parser("keys", help="the keys under which the queue lies on the disk")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, method, path, words in (
        ("list", "GET", "/v1/keys", "names, ages and use of the keys; never a key"),
        ("rotate", "POST", "/v1/keys/rotate", ROTATE),
    ):
        parser = verbs.add_parser(verb, help=words, description=f"{words}. {EXIT_CODES}")
        add_config(parser)
        parser.add_argument("--json", action="store_true", help="print the whole document")
        parser.set_defaults(run=_main, method=method, path=path)


def _main(arguments: argparse.Namespace) -> int:
    return answered(arguments, lambda socket: ask(socket, arguments.method, arguments.path), _lines)


def _lines(document: Document) -> Iterator[str]:
    yield f"key-encryption key {document['kek']['name']} in {document['kek']['file']}"
    for key in document["data_keys"]:
        moment = datetime.fromtimestamp(key["created_ms"] / 1000, UTC)
        yield f"data key {key['id']:>5}  {moment.strftime('%Y-%m-%d %H:%M')}  {key['state']}"
    walk = document["resealing"]
    at = f", at table {walk['table']}" if walk["running"] else ""
    state = "runs" if walk["running"] else "rests"
    yield (
        f"sealing anew {state}{at}: {walk['looked_at']:,} values looked at, "
        f"{walk['resealed']:,} sealed anew, {walk['unreadable']:,} unreadable"
    )
