"""``site-gateway backup create|verify|restore|confirm``: a site in one encrypted file.

``create`` asks the running gateway and writes what it streams. ``verify`` and ``restore``
need no gateway, but the company's private recovery key: do them where that may be.
"""

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.app.restore import Restored, restore, verified
from gateway.cli.asking import EXIT_CODES, Document, answered, ask, exit_code
from gateway.cli.client import content
from gateway.cli.exits import DONE, FAILED
from gateway.cli.where import Commands, add_config, config_path
from gateway.identity import keys
from gateway.identity.files import sync_folder
from gateway.model.errors import OperatorFaultError, RefusedError

CREATE: Final = "/v1/backup"
CONFIRM: Final = "/v1/restore/confirm"


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``backup`` with its verbs to the program's commands."""
    noun = commands.add_parser("backup", help="a site in one file, encrypted to the recovery key")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)

    creating = _verb(verbs, "create", "back up the running site; only the recovery key opens it")
    creating.add_argument("--out", required=True, type=Path, metavar="FILE", help="a new file")
    creating.set_defaults(run=_create)

    verifying = _verb(verbs, "verify", "read a whole backup and check its databases")
    verifying.set_defaults(run=_verify)

    restoring = _verb(verbs, "restore", "make the site of a backup on this machine")
    restoring.add_argument(
        "--floors-from",
        type=Path,
        metavar="DIR",
        help="the old state folder, if it can still be read: what it forbids stays forbidden",
    )
    restoring.set_defaults(run=_restore)

    for verb in (verifying, restoring):
        verb.add_argument("file", type=Path, metavar="FILE", help="the backup")
        verb.add_argument(
            "--recovery-key",
            required=True,
            type=Path,
            metavar="PRIVATE.pem",
            help="the company's private recovery key",
        )

    confirming = _verb(verbs, "confirm", "say that what changed after the backup was replayed")
    confirming.set_defaults(run=_confirm)


def _verb(
    verbs: "Commands[argparse.ArgumentParser]", name: str, words: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=words, description=f"{words}. {EXIT_CODES}")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _create(arguments: argparse.Namespace) -> int:
    config = Path(os.path.abspath(config_path(arguments)))  # noqa: PTH100  # resolve() would follow links
    out = Path(os.path.abspath(arguments.out))  # noqa: PTH100
    return answered(arguments, lambda socket: _written(socket, config, out), _made)


async def _written(socket_path: Path, config: Path, out: Path) -> Document:
    """Write the backup to ``out`` and return its size and digest."""
    digest, size = hashlib.sha256(), 0
    with _new_file(out) as file:
        async with aclosing(content(socket_path, CREATE, {"config": str(config)})) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
                digest.update(piece)
                size += len(piece)
    return {"out": str(out), "bytes": size, "sha256": digest.hexdigest()}


@contextmanager
def _new_file(out: Path) -> Generator[IO[bytes]]:
    """Write a new private file inside the block; an error leaves none.

    Crash: ``out`` is whole or absent; a name ``.<name>.*`` may be left behind.

    Raises:
        RefusedError: ``out`` is there already.
        OperatorFaultError: the disk refuses.
    """
    if os.path.lexists(out):
        msg = f"{out} is there already and is never overwritten: give another --out"
        raise RefusedError(msg)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)  # mode 0600
        unfinished = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            out.hardlink_to(unfinished)  # unlike a rename it overwrites nothing
        finally:
            unfinished.unlink(missing_ok=True)
        sync_folder(out.parent)
    except OSError as error:
        msg = f"{out}: {error.strerror or error}: no backup was made"
        raise OperatorFaultError(msg) from error


def _made(document: Document) -> Iterator[str]:
    yield f"backup {document['out']}: {document['bytes']:,} bytes"
    yield f"  SHA-256 {document['sha256']}"
    yield "  bring it off this machine; now and then try: site-gateway backup verify"


def _verify(arguments: argparse.Namespace) -> int:
    def checked() -> Document:
        file: Path = arguments.file
        with verified(file, _key(arguments), file.absolute().parent) as found:
            return {
                "site": found.header.site,
                "created_ms": found.header.created_ms,
                "program": found.header.program,
                "members": [msgspec.to_builtins(one) for one in found.manifest.members],
            }

    return _told(arguments, checked, _contents)


def _contents(document: Document) -> Iterator[str]:
    yield f"whole: site {document['site']}, made {_moment(document['created_ms'])}"
    for member in document["members"]:
        yield f"  {member['bytes']:>14,}  {member['name']}"


def _restore(arguments: argparse.Namespace) -> int:
    def made() -> Document:
        key, config = _key(arguments), config_path(arguments)
        found = restore(arguments.file, key, config.absolute(), arguments.floors_from)
        return dict(msgspec.to_builtins(found))

    return _told(arguments, made, _site)


def _site(document: Document) -> Iterator[str]:
    found = msgspec.convert(document, Restored)
    yield f"site {found.site} is restored as it was on {_moment(found.created_ms)}"
    yield f"  configuration  {found.config}"
    yield f"  state and keys {found.state_dir}"
    yield f"  devices        {found.devices}"
    yield f"  in the queue   {found.waiting:,} messages"
    for line in [*found.raised, *found.notes]:
        yield f"  note: {line}"
    yield f"  next           site-gateway --config {found.config} run"
    yield "  then           compare the devices with your records, and: site-gateway backup confirm"


def _confirm(arguments: argparse.Namespace) -> int:
    return answered(arguments, lambda socket: ask(socket, "POST", CONFIRM), lambda _: ["confirmed"])


def _told(
    arguments: argparse.Namespace,
    made: Callable[[], Document],
    shown: Callable[[Document], Iterable[str]],
) -> int:
    """Print what ``made`` returns, without a gateway, and return the exit code."""
    try:
        document = made()
    except (OperatorFaultError, RefusedError) as error:
        print(error, file=sys.stderr)
        return exit_code(error)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return FAILED
    if arguments.json:
        print(msgspec.json.encode(document).decode())
    else:
        print("\n".join(shown(document)))
    return DONE


def _key(arguments: argparse.Namespace) -> ec.EllipticCurvePrivateKey:
    path: Path = arguments.recovery_key
    try:
        return keys.read(path)
    except OSError as error:
        msg = f"{path}: {error.strerror}: give the company's private recovery key"
        raise OperatorFaultError(msg) from error


def _moment(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
