"""``site-gateway audit list``: who did what, from the running gateway's audit log."""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from gateway.app.offline import Places
from gateway.cli.asking import EXIT_CODES, ask, exit_code
from gateway.cli.client import SOCKET_NAME
from gateway.cli.exits import DONE
from gateway.cli.where import Commands, add_config, config_path
from gateway.config import load
from gateway.model.audit import Action
from gateway.model.errors import OperatorFaultError, RefusedError

ACTIONS = tuple(sorted(action.value for action in Action))


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``audit`` with its verb to the program's commands."""
    noun = commands.add_parser("audit", help="what was done on this gateway, by whom and when")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = verbs.add_parser(
        "list",
        help="list the entries of the audit log, oldest first",
        description="With --json one line an entry {number, at, actor, action, subject, detail}; "
        f"'at' is in milliseconds. {EXIT_CODES}",
    )
    add_config(listing)
    listing.add_argument("--action", choices=ACTIONS, metavar="ACTION", default="",
                         help=f"only entries of one kind: {', '.join(ACTIONS)}")  # fmt: skip
    listing.add_argument("--after", type=int, default=0, metavar="NUMBER",
                         help="only entries with a greater number")  # fmt: skip
    listing.add_argument("--json", action="store_true", help="print one JSON object an entry")
    noun.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the entries and return the exit code."""
    try:
        config = load(config_path(arguments))
        return asyncio.run(_print(Places.of(config).runtime / SOCKET_NAME, arguments))
    except (OperatorFaultError, RefusedError) as error:
        print(error, file=sys.stderr)
        return exit_code(error)


async def _print(socket_path: Path, arguments: argparse.Namespace) -> int:
    async with aclosing(_entries(socket_path, arguments.after, arguments.action)) as found:
        async for entry in found:
            print(msgspec.json.encode(entry).decode() if arguments.json else _line(entry))
    return DONE


async def _entries(socket_path: Path, after: int, action: str) -> AsyncGenerator[dict[str, Any]]:
    """Yield the entries, page after page."""
    following: int | None = max(0, after)
    while following is not None:
        query = urlencode({"after": following, "action": action})
        page = await ask(socket_path, "GET", f"/v1/audit?{query}")
        for entry in page["entries"]:
            yield entry
        following = page["next"]


def _line(entry: dict[str, Any]) -> str:
    moment = datetime.fromtimestamp(entry["at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    detail = " ".join(f"{name}={value}" for name, value in entry["detail"].items())
    return f"{moment}  {entry['actor']:8}  {entry['action']:18}  {entry['subject']}  {detail}"
