"""``site-gateway spool parked``: what the cloud refused for good, in an operator's hands."""

import argparse
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from gateway.cli.asking import EXIT_CODES, Document, UnusableInputError, answered, ask
from gateway.cli.client import content
from gateway.cli.where import Commands, add_config
from gateway.model.errors import OperatorFaultError, RefusedError

PATH: Final = "/v1/parked"
DIGEST_SHOWN: Final = 16
VERBS: Final = {
    "list": "what is parked, and why",
    "show": "one batch: its reason, its messages and its first records",
    "retry": "send again, with the same bytes; refused again, they are parked again",
    "export": "write the bytes and a manifest of the messages to two files",
    "drop": "give up for good: the messages end as shed, and are counted",
    "resume": "after the problem parking-tripped: let refused batches be parked again",
}


def add_verb(verbs: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``parked`` with its own verbs to those of ``spool``."""
    words = "batches that the cloud refused for good: list, show, retry, export, drop"
    noun = verbs.add_parser("parked", help=words, description=words)
    parsers = noun.add_subparsers(dest="parked", metavar="VERB", required=True)
    for name, text in VERBS.items():
        parser = parsers.add_parser(name, help=text, description=f"{text}. {EXIT_CODES}")
        add_config(parser)
        parser.add_argument("--json", action="store_true", help="print the whole document")
        if name in {"show", "export"}:
            parser.add_argument("batch", help="its digest, or the beginning of it")
        if name in {"retry", "drop"}:
            parser.add_argument("batch", nargs="*", help="digests, or beginnings of them")
            parser.add_argument("--all", action="store_true", help="every parked batch")
        if name == "export":
            parser.add_argument(
                "--out", type=Path, default=Path(), metavar="DIR", help="default: this folder"
            )
        parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Run one verb and return its exit code."""

    async def asking(socket_path: Path) -> Document:
        match arguments.parked:
            case "list":
                return await ask(socket_path, "GET", PATH)
            case "show":
                return await ask(socket_path, "GET", f"{PATH}/{_name(arguments.batch)}")
            case "export":
                return await _export(socket_path, arguments.batch, arguments.out)
            case "resume":
                return await ask(socket_path, "POST", f"{PATH}/resume")
            case verb:
                return await _decide(socket_path, verb, arguments.batch, every=arguments.all)

    return answered(arguments, asking, lines)


async def _decide(socket_path: Path, verb: str, names: list[str], *, every: bool) -> Document:
    if bool(names) is every:
        msg = f"name the batches to {verb}, or give --all"
        raise UnusableInputError(msg)
    if every:
        found = await ask(socket_path, "GET", PATH)
        names = [one["batch"] for one in found["batches"]]
    done = [await ask(socket_path, "POST", f"{PATH}/{_name(name)}/{verb}") for name in names]
    return {"done": done}


async def _export(socket_path: Path, name: str, folder: Path) -> Document:
    facts = await ask(socket_path, "GET", f"{PATH}/{_name(name)}")
    sha256 = facts["batch"]
    async with aclosing(content(socket_path, f"{PATH}/{sha256}/export", None)) as pieces:
        body = b"".join([piece async for piece in pieces])
    manifest = {key: value for key, value in facts.items() if key != "records"}
    places = folder / f"{sha256}.batch", folder / f"{sha256}.json"
    for place, octets in zip(places, (body, _pretty(manifest)), strict=True):
        try:
            place.touch(0o600, exist_ok=False)
            place.write_bytes(octets)
        except FileExistsError as error:
            msg = f"{place} is there already and is never overwritten: give another --out"
            raise RefusedError(msg) from error
        except OSError as error:
            msg = f"{place}: {error.strerror}: give another --out"
            raise OperatorFaultError(msg) from error
    return {"batch": sha256, "files": [str(place) for place in places]}


def _pretty(document: Document) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _name(text: str) -> str:
    """Return ``text`` as a part of a path; the gateway judges whether it is a digest."""
    if not text.isalnum():
        msg = f"{text!r} is no digest: give 4 to 64 of 0-9 and a-f, as 'parked list' prints them"
        raise UnusableInputError(msg)
    return text.lower()


def lines(document: Document) -> Iterator[str]:
    """Yield what a person reads, whichever verb it was."""
    match document:
        case {"batches": batches}:
            yield from _listed(document, batches)
        case {"done": done}:
            for one in done:
                yield f"{one['batch'][:DIGEST_SHOWN]}: {one['rows']} messages are {one['outcome']}"
        case {"files": files}:
            for path in files:
                yield f"wrote {path}"
        case {"resumed": _}:
            why = document["tripped"]
            yield f"parking goes on; it had stopped: {why}" if why else "parking had not stopped"
        case _:
            yield from _shown(document)


def _listed(document: Document, batches: list[Document]) -> Iterator[str]:
    for one in batches:
        yield (
            f"{one['batch'][:DIGEST_SHOWN]}  {one['class']:9} {one['rows']:>6} messages "
            f"{one['body_bytes']:>9,} bytes  {_time(one['parked_ms'])}  {one['reason']}"
        )
    if document["tripped"]:
        yield f"nothing more is parked: {document['tripped']} ('spool parked resume' goes on)"
    yield (
        f"{len(batches)} parked; with their messages {document['bytes']:,} of "
        f"{document['bytes_max']:,} bytes"
    )


def _shown(document: Document) -> Iterator[str]:
    yield f"batch    {document['batch']}"
    yield f"reason   {document['reason']}"
    yield f"parked   {_time(document['parked_ms'])}, sealed {_time(document['sealed_ms'])}"
    yield (
        f"holds    {document['rows']} messages of class {document['class']}, "
        f"{document['items']} records, {document['body_bytes']:,} bytes as sent"
    )
    for one in document["messages"]:
        yield (
            f"message  {one['device']} epoch {one['epoch']} {one['stream']} "
            f"{one['first']} to {one['last']}"
        )
    if document["unreadable"]:
        yield "its bytes do not open any more: it can only be dropped"
    for record in document["records"]:
        yield "record   " + ", ".join(f"{name}={value}" for name, value in record.items())
    if (more := document["items"] - len(document["records"])) > 0 and document["records"]:
        yield f"and {more} records more"


def _time(ms: int | None) -> str:
    if ms is None:
        return "at an unknown time"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
