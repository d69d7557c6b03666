"""What the contract in force says of a device, for whoever asks on the control socket."""

from dataclasses import dataclass

from aiohttp import web

from gateway.app.control import reply
from gateway.app.device import Fleet
from gateway.fleet.explain import explain
from gateway.model.identity import DeviceId


@dataclass(frozen=True, slots=True)
class Contracts:
    """The contracts that the running gateway follows: files may have changed since its start."""

    fleet: Fleet

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the control socket."""
        return [web.get("/v1/contracts/{device}", self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """The contract that binds a device, explained."""
        name = request.match_info["device"]
        device = self.fleet.devices.get(DeviceId(name))
        if device is None:
            known = "'site-gateway device list' shows those that there are"
            return reply({"error": f"no device {name[:64]!r}: {known}"}, 404)
        _, contract = self.fleet.catalogue[device.profile]
        return reply(
            {
                "device": device.id,
                "profile": device.profile,
                "access": device.access.value,
                "contract": contract.contract.name,
                "sha256": contract.sha256,
                "lines": explain(contract.contract),
            }
        )
