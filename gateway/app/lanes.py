"""Two lanes from the broker to the disk: one for data, one for what must not wait behind data.

mosquitto keeps the order within a connection, so on one connection an alert waits for all data
before it, and its commit takes along what data has gathered so far (decision 0011). Each lane is a
connection with an intake of its own; the one writer puts their commits in a row.

What a device says of itself is heard on the urgent lane and noted at once. The receipt that
answers it says more: that all before it was compared (decision 0010), also what still waits on
the data lane. So the status is sent to ourselves, behind that, and answered when it comes back.

Crash: a status that does not come back has no answer, and its device asks again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from gateway.broker.mqtt import Link
from gateway.broker.roles import DATA_CHANNEL, URGENT_CHANNELS
from gateway.intake.wire import StatusReport, device_of
from gateway.model.delivery import Delivery

_BACK: Final = "gateway/{}/status"
URGENT: Final = tuple(f"line/+/up/{channel}" for channel in URGENT_CHANNELS)
DATA: Final = (f"line/+/up/{DATA_CHANNEL}", _BACK.format("+"))


@dataclass(frozen=True, slots=True)
class Lane:
    """Implements ``intake.service.Inbox``: takes from one link.

    The receipts of both lanes leave on one, ``out``, so that none overtakes a later one.
    """

    link: Link
    out: Link

    async def take(self, most: int, within_s: float | None) -> Sequence[Delivery]:
        """Return what came, as the link does."""
        return await self.link.take(most, within_s)

    def acknowledge(self, tokens: Sequence[tuple[int, int]]) -> None:
        """Tell the broker that these are ours now."""
        self.link.acknowledge(tokens)

    def send(self, topic: str, payload: bytes) -> None:
        """Send a receipt."""
        self.out.send(topic, payload)


def send_behind(link: Link, report: StatusReport) -> None:
    """Put ``report`` behind all data that the broker holds of its device."""
    link.post(_BACK.format(report.device), msgspec.json.encode(report.status))


def come_back(delivery: Delivery) -> Delivery | None:
    """Return the status that ``send_behind`` has sent; None where this is something else."""
    device = device_of(delivery.topic)
    if delivery.topic != _BACK.format(device):
        return None
    return replace(delivery, topic=f"line/{device}/up/status")
