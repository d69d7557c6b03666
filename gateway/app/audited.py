"""The audit log while the gateway runs: kept within its bounds, and shown."""

from dataclasses import dataclass
from typing import Final, NoReturn

from aiohttp import web

from gateway.app.control import reply
from gateway.app.deeds import note_contracts, note_lost_queues
from gateway.app.voices import Voices
from gateway.fleet.folder import Catalogue
from gateway.health.audit import entries, prune
from gateway.health.limits import AuditLimits
from gateway.model.time import Clock
from gateway.store.sqlite import Engine

DAY_MS: Final = 86_400_000
PRUNE_EVERY_S: Final = 3_600.0
ENTRIES_A_PAGE_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class AuditLog:
    """Keeps the log within its bounds, and shows it."""

    state: Engine
    clock: Clock
    limits: AuditLimits
    voices: Voices
    catalogue: Catalogue

    async def run(self) -> NoReturn:
        """Note contracts in force and queues that were lost, then hold the bounds for ever."""
        await self.state.write(note_contracts, self.catalogue, self.clock.site())
        await self.state.write(note_lost_queues, self.clock.site())
        while True:
            while await self._prune():
                pass
            self.voices.written("state.db")
            await self.clock.sleep(PRUNE_EVERY_S)

    async def _prune(self) -> int:
        limits = self.limits
        return await self.state.write(
            prune,
            self.clock.site(),
            kept_ms=limits.kept_days * DAY_MS,
            entries_max=limits.entries_max,
        )

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the control socket."""
        return [web.get("/v1/audit", self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """Entries after a number, oldest first; ``next`` is the number to go on after, or null."""
        try:
            after = int(request.query.get("after", "0"))
            most = int(request.query.get("most", str(ENTRIES_A_PAGE_MAX)))
        except ValueError:
            return reply({"error": "after and most are whole numbers"}, 422)
        most = max(1, min(most, ENTRIES_A_PAGE_MAX))
        action = request.query.get("action", "")
        async with self.state.reader() as db:
            found = await entries(db, after=max(0, after), most=most, action=action)
        following = found[-1].number if len(found) == most else None
        return reply({"entries": found, "next": following})
