"""What can be seen of the line from outside: the cloud's file, the gateway's page."""

from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from hil.cloud.presence import Presence
from hil.virtualline.readiness import Seen, Status
from hil.virtualline.site import HOST

ASK_LIMIT_S: Final = 5
STATUS_MAX_BYTES: Final = 8 << 20


class View:
    """Looks, and never fails: what cannot be seen is not there yet."""

    def __init__(self, session: aiohttp.ClientSession, cloud: Path, web_port: int) -> None:
        self._session = session
        self._cloud = Presence(cloud)
        self.page = f"http://{HOST}:{web_port}/"

    async def look(self) -> Seen:
        """Return what is there now."""
        serving = self._cloud.serving()
        healthy = await self._get("health") is not None
        return Seen(
            cloud=serving.wan if serving else "",
            page=healthy,
            status=await self._status() if healthy else None,
        )

    async def _status(self) -> Status | None:
        text = await self._get("v1/status")
        try:
            return None if text is None else msgspec.json.decode(text, type=Status)
        except msgspec.DecodeError:
            return None

    async def _get(self, path: str) -> bytes | None:
        try:
            async with self._session.get(self.page + path) as answer:
                if answer.status != 200:  # noqa: PLR2004  # HTTP's own number
                    return None
                return await answer.content.read(STATUS_MAX_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


def session() -> aiohttp.ClientSession:
    """Return a client that asks this machine and no proxy."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_LIMIT_S), trust_env=False)
