"""``site-gateway keys list|rotate|recover``: the keys under which the queue lies on the disk."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from gateway.app.keys import recover
from gateway.app.offline import STATE_MIGRATIONS, Places
from gateway.cli.asking import EXIT_CODES, Document, answered, ask, exit_code
from gateway.cli.exits import DONE, FAILED
from gateway.cli.where import Commands, add_config, config_path
from gateway.config import Config, load
from gateway.health.audit import audit
from gateway.identity import keys, pki
from gateway.model.audit import OPERATOR, Action
from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.store import site_time
from gateway.store.lock import hold
from gateway.store.sqlite import open_offline, transaction

ROTATE: Final = (
    "draw a new key-encryption key and a new data key, and wrap all data keys anew at once; what "
    "waits is sealed anew in the background ('keys list' shows how far)"
)
RECOVER: Final = (
    "open the data keys with the company's private recovery key, and wrap them by a new "
    "key-encryption key: for a site whose key file is lost; no gateway may run"
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
    recovering.set_defaults(run=_recover)


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


def _recover(arguments: argparse.Namespace) -> int:
    """Recover and return the exit code."""
    try:
        count = _recovered(load(config_path(arguments)), arguments.recovery_key)
    except (OperatorFaultError, RefusedError) as error:
        print(error, file=sys.stderr)
        return exit_code(error)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return FAILED
    if arguments.json:
        print(msgspec.json.encode({"data_keys": count}).decode())
    else:
        print(f"{count} data keys are wrapped by a new key-encryption key; start the gateway")
    return DONE


def _recovered(config: Config, key_file: Path) -> int:
    places = Places.of(config)
    # Read first: where no site is, opening the database would begin one.
    recipient = pki.recovery_key(places.state / pki.FOLDER)
    key = keys.read(key_file)
    with hold(places.lock), open_offline(places.state_db, STATE_MIGRATIONS) as db:
        count = recover(db, places.state, key, recipient, config.site.name)
        with transaction(db):
            audit(db, site_time.floor(db), OPERATOR, Action.KEYS_RECOVERED, f"{count} data keys")
    return count
