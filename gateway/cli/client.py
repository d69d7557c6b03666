"""Commands are clients of the running gateway, over its control socket."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from gateway.model.errors import OperatorFaultError, RefusedError

REQUEST_LIMIT_S = 30.0
CONNECT_LIMIT_S = 10.0
SILENCE_LIMIT_S = 60.0
"""Between two pieces of a stream, which may as a whole take as long as it must."""
COPY_LIMIT_S = 1_800.0
"""The gateway copies its databases before the first piece of a backup."""
SOCKET_NAME = "control.sock"
JSON = "application/json"
JSON_LINES = "application/x-ndjson"


class GatewayUnreachableError(OperatorFaultError):
    """No gateway answers on the control socket (exit code 4)."""

    def __init__(self, socket_path: Path, cause: str) -> None:
        super().__init__(
            f"no gateway answers on {socket_path} ({cause}): start it with 'site-gateway run', "
            "or name its configuration with --config"
        )


class GatewayAnswerError(OperatorFaultError):
    """A gateway answers, but not with what was asked for (exit code 1)."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"the gateway's answer to {path}: {what}; its log says more")


@asynccontextmanager
async def _answer(
    socket_path: Path, method: str, path: str, body: object, limit: aiohttp.ClientTimeout
) -> AsyncGenerator[aiohttp.ClientResponse]:
    connector = aiohttp.UnixConnector(str(socket_path))
    data = None if body is None else msgspec.json.encode(body)
    answered = False
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit) as session,
            session.request(method, f"http://gateway{path}", data=data) as answer,
        ):
            answered = True
            yield answer
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        cause = str(error) or type(error).__name__
        if answered:
            raise GatewayAnswerError(path, f"it broke off ({cause})") from error
        raise GatewayUnreachableError(socket_path, cause) from error


async def request(
    socket_path: Path, method: str, path: str, body: object = None
) -> tuple[int, dict[str, Any]]:
    """Return status and JSON object of one request, whatever the status is.

    Raises:
        GatewayUnreachableError: nothing serves the socket, or it does not answer in time.
        GatewayAnswerError: the answer is no JSON object, or broke off.
    """
    limit = aiohttp.ClientTimeout(total=REQUEST_LIMIT_S)
    async with _answer(socket_path, method, path, body, limit) as answer:
        return answer.status, _object(path, answer, await answer.read())


async def document(socket_path: Path, path: str) -> dict[str, Any]:
    """Return the document at ``path``.

    Raises:
        GatewayUnreachableError: as ``request``.
        GatewayAnswerError: as ``request``, or the gateway answers with an error.
    """
    status, found = await request(socket_path, "GET", path)
    if status != HTTPStatus.OK:
        raise GatewayAnswerError(path, _refusal(status, found))
    return found


async def lines(
    socket_path: Path, path: str, silence_limit_s: float = SILENCE_LIMIT_S
) -> AsyncGenerator[bytes]:
    """Yield the lines of a streamed answer, one JSON document each.

    Raises:
        GatewayUnreachableError: as ``request``.
        GatewayAnswerError: the gateway answers with an error, or its stream breaks off
            before the end. The lines until then are true, but not all.
    """
    limit = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_LIMIT_S, sock_read=silence_limit_s
    )
    async with _answer(socket_path, "GET", path, None, limit) as answer:
        if answer.status != HTTPStatus.OK:
            said = _object(path, answer, await answer.read())
            raise GatewayAnswerError(path, _refusal(answer.status, said))
        if answer.content_type != JSON_LINES:
            raise GatewayAnswerError(path, f"{answer.content_type} instead of {JSON_LINES}")
        async for line in answer.content:
            yield line


async def content(
    socket_path: Path, path: str, body: object, silence_limit_s: float = COPY_LIMIT_S
) -> AsyncGenerator[bytes]:
    """Yield the pieces of a streamed answer of bytes; at its end it is whole.

    Raises:
        RefusedError: the gateway refuses by a decision (409).
        OperatorFaultError: as ``lines``.
    """
    limit = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_LIMIT_S, sock_read=silence_limit_s
    )
    async with _answer(socket_path, "POST", path, body, limit) as answer:
        if answer.status != HTTPStatus.OK:
            said = _object(path, answer, await answer.read())
            reason = str(said.get("error", f"status {answer.status}, no reason given"))
            if answer.status == HTTPStatus.CONFLICT:
                raise RefusedError(reason)
            raise OperatorFaultError(reason)
        async for piece in answer.content.iter_any():
            yield piece


def _object(path: str, answer: aiohttp.ClientResponse, body: bytes) -> dict[str, Any]:
    if answer.content_type != JSON:
        what = f"status {answer.status} with {answer.content_type} instead of {JSON}"
        raise GatewayAnswerError(path, what)
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise GatewayAnswerError(path, f"status {answer.status}, and no JSON object") from error


def _refusal(status: int, said: dict[str, Any]) -> str:
    return f"status {status}: {said.get('error', 'no reason given')}"
