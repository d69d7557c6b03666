"""``site-gateway keys list|rotate|recover|abandon``: what seals the queue on the disk."""

import argparse
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from gateway.app.rescue import abandoned, recovered
from gateway.cli.asking import EXIT_CODES, Document, answered, ask, exit_code
from gateway.cli.exits import DONE, FAILED
from gateway.cli.where import Commands, add_config, config_path
from gateway.config import Config, load
from gateway.identity import keys
from gateway.model.errors import OperatorFaultError, RefusedError

ROTATE: Final = (
    "draw a new key-encryption key and a new data key, and wrap all data keys anew at once; what "
    "waits is sealed anew in the background ('keys list' shows how far)"
)
RECOVER: Final = (
    "open the data keys with the company's private recovery key, and wrap them by a new "
    "key-encryption key: for a site whose key file is lost; no gateway may run"
)

ABANDON: Final = (
    "give up what waits in the queue, for a site that has lost its key file and the recovery key: "
    "each message ends as unreadable when its turn comes; devices, trust and marks stay"
)


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``keys`` to the program's commands."""
    noun = commands.add_parser("keys", help="the keys under which the queue lies on the disk")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, method, path, words in (
        ("list", "GET", "/v1/keys", "names, ages and use of the keys; never a key"),
        ("rotate", "POST", "/v1/keys/rotate", ROTATE),
    ):
        parser = _verb(verbs, verb, words)
        parser.set_defaults(run=_ask, method=method, path=path)
    recovering = _verb(verbs, "recover", RECOVER)
    recovering.add_argument(
        "--recovery-key", required=True, type=Path, metavar="PRIVATE.pem", help="its private half"
    )
    recovering.set_defaults(run=_offline, action=_recovered)
    abandoning = _verb(verbs, "abandon", ABANDON)
    abandoning.add_argument("--yes", action="store_true", required=True, help="it is meant so")
    abandoning.set_defaults(run=_offline, action=_abandoned)


def _verb(
    verbs: "Commands[argparse.ArgumentParser]", name: str, words: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=words, description=f"{words}. {EXIT_CODES}")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print the whole document")
    return parser


def _ask(arguments: argparse.Namespace) -> int:
    return answered(arguments, lambda socket: ask(socket, arguments.method, arguments.path), _lines)


def _lines(document: Document) -> Iterator[str]:
    yield f"key-encryption key {document['kek']['name']} in {document['kek']['file']}"
    for key in document["data_keys"]:
        moment = datetime.fromtimestamp(key["created_ms"] / 1000, UTC)
        yield f"data key {key['id']:>5}  {moment.strftime('%Y-%m-%d %H:%M')}  {key['state']}"
    walk = document["resealing"]
    state = f"is at table {walk['table']}" if walk["running"] else "rests"
    yield (
        f"sealing anew {state}: {walk['looked_at']:,} values looked at, "
        f"{walk['resealed']:,} sealed anew, {walk['unreadable']:,} unreadable"
    )


def _offline(arguments: argparse.Namespace) -> int:
    """Do what needs no gateway and return the exit code."""
    try:
        action: Callable[[Config, argparse.Namespace], tuple[int, str]] = arguments.action
        count, words = action(load(config_path(arguments)), arguments)
    except (OperatorFaultError, RefusedError) as error:
        print(error, file=sys.stderr)
        return exit_code(error)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return FAILED
    if arguments.json:
        print(msgspec.json.encode({"data_keys": count}).decode())
    else:
        print(f"{count} data keys are {words}; start the gateway")
    return DONE


def _recovered(config: Config, arguments: argparse.Namespace) -> tuple[int, str]:
    key = keys.read(arguments.recovery_key)
    return recovered(config, key), "wrapped by a new key-encryption key"


def _abandoned(config: Config, _: argparse.Namespace) -> tuple[int, str]:
    return abandoned(config), "forgotten, and what they sealed ends as unreadable"
