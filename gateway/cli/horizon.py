"""``site-gateway spool horizon``: how long an outage of the cloud this site survives."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.cli.asking import EXIT_CODES, Document, answered, ask
from gateway.cli.where import Commands, add_config
from gateway.web import words
from gateway.web.measures import size, span
from gateway.web.status import ClassHorizonStatus, HorizonStatus

WORDS = "how long an outage of the cloud this site survives from now on"


def add_verb(verbs: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``horizon`` to the verbs of ``spool``."""
    parser = verbs.add_parser(
        "horizon", help=WORDS, description=f"Say {WORDS}, and what is the limit. {EXIT_CODES}"
    )
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print the whole document")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the horizon and return the exit code."""

    async def asking(socket_path: Path) -> Document:
        return await ask(socket_path, "GET", "/v1/horizon")

    return answered(arguments, asking, lines)


def lines(document: Document) -> Iterator[str]:
    """Yield the sentence, then one line a class."""
    horizon = msgspec.convert(document, HorizonStatus)
    yield words.survives(horizon)
    for one in horizon.classes:
        yield of_class(one)


def of_class(one: ClassHorizonStatus) -> str:
    """Say what comes in of a class, and what ends it first."""
    rate = f"{one.messages_per_h:,.0f} an hour, {size(one.bytes_per_h)}"
    return f"{one.message_class:9} {rate:28} {ends(one)}"


def ends(one: ClassHorizonStatus) -> str:
    """Say when the first message of a class is lost, and by what."""
    if one.hours is None:
        return "no end in sight"
    after = span(one.hours * 3_600)
    what = "" if one.leaves else ", but nothing of it is to leave"
    if one.limit == "retention":
        return f"{after}, then the contract's retention of {one.kept_h:g} h ends the first{what}"
    return f"{after}, then {one.key} is used up{what}"
