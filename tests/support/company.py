"""A company's cloud and its gateway: the CA they share, and settings that fit both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.uplink.limits import UplinkLimits
from tests.simulators.clock import SteppedClock
from tests.simulators.cloud import Script
from tests.support.tls_server import Authority, Pair, server_context, serving


def real_clock() -> SteppedClock:
    """Return a stepped clock whose wall shows the real time, as certificates need it."""
    return SteppedClock(round(datetime.now(UTC).timestamp() * 1000))


@dataclass
class Company:
    """The CA that the cloud and the gateway share, and the gateway's client certificate."""

    authority: Authority
    server: Pair
    client: Pair

    def limits(self, port: int, **changes: object) -> UplinkLimits:
        files: dict[str, object] = {
            "url": f"https://127.0.0.1:{port}",
            "ca_file": str(self.authority.ca),
            "certificate_file": str(self.client.certificate),
            "key_file": str(self.client.key),
        }
        return msgspec.convert(files | changes, UplinkLimits)

    @asynccontextmanager
    async def serving(self, script: Script) -> AsyncIterator[int]:
        context = server_context(self.server, self.authority.ca)
        async with serving(script.handle, context) as port:
            yield port


def found(folder: Path) -> Company:
    """Found a company whose files lie in ``folder``."""
    authority = Authority(folder)
    return Company(authority, authority.server(), authority.client())
