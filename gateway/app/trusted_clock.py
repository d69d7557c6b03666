"""The site's time and the wall clock: kept, watched, and confirmed by an operator."""

from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from gateway.app.clock import SystemClock
from gateway.app.control import reply
from gateway.app.voices import Voices
from gateway.health.audit import audit
from gateway.identity.problems import CLOCK_DOUBTFUL
from gateway.identity.trusted_time import SUBJECT
from gateway.model.audit import OPERATOR, Action
from gateway.store import site_time
from gateway.store.sqlite import Engine

FLOOR_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class TrustedClock:
    """Lets site time follow the wall clock once a minute, and stores how far it came."""

    clock: SystemClock
    state: Engine
    voices: Voices

    async def run(self) -> NoReturn:
        """Adjust and store until cancelled."""
        while True:
            self.adjust()
            await self.state.write(site_time.raise_floor, self.clock.site())
            self.voices.written("state.db")
            await self.clock.sleep(FLOOR_EVERY_S)

    def adjust(self) -> str:
        """Adjust once; return what is doubtful, or nothing."""
        doubt = self.clock.adjust()
        if doubt is None:
            self.voices.clear(CLOCK_DOUBTFUL, SUBJECT)
            return ""
        self.voices.report(doubt)
        return doubt.detail

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the control socket."""
        return [
            web.get("/v1/clock", self.show),
            web.post("/v1/clock/confirm", self.confirm),
        ]

    async def show(self, _: web.Request) -> web.Response:
        """Both clocks, and what is doubtful."""
        return reply(self._document())

    async def confirm(self, _: web.Request) -> web.Response:
        """Believe the wall clock as it is now; 409 where that would turn site time back."""
        self.clock.confirm()
        document = self._document()
        if document["doubt"]:
            why = "site time never goes back, so this clock cannot be confirmed"
            return reply({"error": f"{why}: {document['doubt']}"}, 409)
        now = self.clock.site()
        await self.state.write(audit, now, OPERATOR, Action.CLOCK_CONFIRMED, "wall clock")
        return reply(document)

    def _document(self) -> dict[str, object]:
        doubt = self.adjust()
        return {"site_ms": self.clock.site(), "wall_ms": self.clock.wall(), "doubt": doubt or None}
