"""``site-gateway status``: what the page shows, on a terminal."""

import argparse
from collections.abc import Iterator

import msgspec

from gateway.cli.asking import EXIT_CODES, Document, answered
from gateway.cli.client import document
from gateway.cli.where import Commands, add_config
from gateway.web import words
from gateway.web.status import Status


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``status`` to the program's commands."""
    parser = commands.add_parser(
        "status",
        help="how the site is: problems, devices, queue, uplink",
        description=EXIT_CODES,
    )
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print the whole document")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the status and return the exit code."""
    return answered(arguments, lambda socket: document(socket, "/v1/status"), _lines)


def _lines(status: Document) -> Iterator[str]:
    broker, uplink = status["broker"], status["uplink"]
    yield f"site {status['site']}, gateway {status['version']} (process {status['pid']})"
    yield f"broker  {broker['state']}"
    why = f": {uplink['last_error']}" if uplink["last_error"] else ""
    yield f"uplink  {uplink['state']}{why}; {uplink['parked']} batches parked"
    for name, depth in status["spool"].items():
        oldest = "" if depth["oldest_s"] is None else f", oldest {depth['oldest_s']:.0f} s"
        yield f"queue   {name:7} {depth['rows']:>8,} waiting, {depth['bytes']:>12,} bytes{oldest}"
    whole = msgspec.convert(status, Status)
    if whole.room is not None:
        yield f"room    {words.room(whole.room)}"
    yield f"horizon {words.survives(whole.horizon)}"
    yield f"wear    {words.wear(whole.wear)}"
    for device in status["devices"]:
        marks = f"alert {device['alert']}, data {device['data']}"
        yield f"device  {device['id']:24} {device['state']:11} {device['access']:12} {marks}"
    for problem in status["problems"]:
        yield f"PROBLEM {problem['code']} ({problem['subject']}): {problem['title']}"
        if problem["detail"]:
            yield f"        {problem['detail']}"
        yield f"        first: {problem['action']}"
    if not status["problems"]:
        yield "no problems"
