"""The paths of the control socket that ask for the site's numbers."""

from dataclasses import dataclass

from aiohttp import web

from gateway.app.control import reply
from gateway.app.numbers import GAP_DAYS, Numbers
from gateway.model.gaps import DAYS_KEPT
from gateway.model.identity import DeviceId
from gateway.spool import counted


@dataclass(frozen=True, slots=True)
class Asked:
    """One method a path."""

    numbers: Numbers

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the control socket."""
        return [
            web.get("/v1/gaps", self.gaps),
            web.get("/v1/horizon", self.horizon),
            web.get("/v1/drops", self.drops),
        ]

    async def gaps(self, request: web.Request) -> web.Response:
        """What each device missed: ``days`` (1 to 31), ``device``."""
        text = request.query.get("days", str(GAP_DAYS))
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= DAYS_KEPT):
            return reply({"error": f"days: a number from 1 to {DAYS_KEPT}, not {text!r}"}, 422)
        name = request.query.get("device")
        if name and name not in self.numbers.fleet.devices:
            return reply({"error": f"device: there is no {name!r} at this site"}, 404)
        return reply(await self.numbers.gaps(int(text), DeviceId(name) if name else None))

    async def horizon(self, _: web.Request) -> web.Response:
        """The outage that is survived from now on."""
        return reply((await self.numbers.reckon()).document())

    async def drops(self, _: web.Request) -> web.Response:
        """What ended without having reached the cloud, by device, class and reason."""
        return reply({"drops": await counted.drops(self.numbers.reader)})
