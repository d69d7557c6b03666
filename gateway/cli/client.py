"""Commands are clients of the running gateway, over its control socket."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from gateway.model.errors import OperatorFaultError

REQUEST_LIMIT_S = 30.0
SOCKET_NAME = "control.sock"


class GatewayUnreachableError(OperatorFaultError):
    """No gateway answers on the control socket (exit code 4)."""

    def __init__(self, socket_path: Path, cause: str) -> None:
        super().__init__(
            f"no gateway answers on {socket_path} ({cause}): start it with 'site-gateway run', "
            "or name its configuration with --config"
        )


@asynccontextmanager
async def _answer(
    socket_path: Path, method: str, path: str, body: object
) -> AsyncGenerator[aiohttp.ClientResponse]:
    connector = aiohttp.UnixConnector(str(socket_path))
    limit = aiohttp.ClientTimeout(total=REQUEST_LIMIT_S)
    data = None if body is None else msgspec.json.encode(body)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit) as session,
            session.request(method, f"http://gateway{path}", data=data) as answer,
        ):
            yield answer
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise GatewayUnreachableError(socket_path, str(error) or type(error).__name__) from error


async def request(
    socket_path: Path, method: str, path: str, body: object = None
) -> tuple[int, dict[str, Any]]:
    """Return status and JSON object of one request.

    Raises:
        GatewayUnreachableError: nothing serves the socket, or it does not answer in time.
    """
    async with _answer(socket_path, method, path, body) as answer:
        return answer.status, msgspec.json.decode(await answer.read(), type=dict[str, Any])


async def lines(socket_path: Path, path: str) -> AsyncIterator[bytes]:
    """Yield the lines of a streamed answer, one JSON document each.

    Raises:
        GatewayUnreachableError: as ``request``.
    """
    async with _answer(socket_path, "GET", path, None) as answer:
        async for line in answer.content:
            yield line
