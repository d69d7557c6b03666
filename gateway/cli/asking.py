"""The frame of a command that asks the running gateway: exit codes, and where answers go."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from gateway.app.offline import Places
from gateway.cli.client import SOCKET_NAME, GatewayUnreachableError, request
from gateway.cli.exits import DONE, FAILED, REFUSED, UNREACHABLE, UNUSABLE
from gateway.cli.where import config_path
from gateway.config import ConfigError, load
from gateway.model.errors import OperatorFaultError, RefusedError

EXIT_CODES = (
    "Exit codes: 0 done, 1 answered with an error, 2 unusable input or configuration, "
    "3 refused by a decision, 4 the gateway does not answer."
)

Document = dict[str, Any]


class UnusableInputError(OperatorFaultError):
    """The gateway cannot use what it was given (exit code 2)."""


async def ask(socket_path: Path, method: str, path: str, body: object = None) -> Document:
    """Return the document of an answer that says yes.

    Raises:
        RefusedError: the gateway refuses by a decision (409).
        UnusableInputError: it cannot use what it was given (404, 422).
        OperatorFaultError: it failed, or does not answer; as ``client.request``.
    """
    status, found = await request(socket_path, method, path, body)
    if status == HTTPStatus.OK:
        return found
    reason = str(found.get("error", f"status {status}, no reason given"))
    if status == HTTPStatus.CONFLICT:
        raise RefusedError(reason)
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
        raise UnusableInputError(reason)
    raise OperatorFaultError(reason)


def answered(
    arguments: argparse.Namespace,
    asking: Callable[[Path], Awaitable[Document]],
    shown: Callable[[Document], Iterable[str]],
) -> int:
    """Ask over the control socket, print the answer, and return the exit code.

    ``asking`` gets the socket's path. With ``--json`` the whole document is printed, else
    the lines that ``shown`` makes of it.
    """

    async def whole(socket_path: Path) -> Document:
        return await asking(socket_path)

    try:
        config = load(config_path(arguments))
        document = asyncio.run(whole(Places.of(config).runtime / SOCKET_NAME))
    except (OperatorFaultError, RefusedError) as error:
        print(error, file=sys.stderr)
        return exit_code(error)
    if arguments.json:
        print(msgspec.json.encode(document).decode())
    else:
        for line in shown(document):
            print(line)
    return DONE


def exit_code(error: OperatorFaultError | RefusedError) -> int:
    """Return the exit code that goes with an error."""
    match error:
        case ConfigError() | UnusableInputError():
            return UNUSABLE
        case GatewayUnreachableError():
            return UNREACHABLE
        case RefusedError():
            return REFUSED
        case _:
            return FAILED
