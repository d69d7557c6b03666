"""From the broker's inbox to receipts, in the one order that keeps promise P1.

Commit, then acknowledge to the broker, then receipt to the device.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

import msgspec

from gateway.intake.admitted import Admitted, Arrival
from gateway.intake.limits import IntakeLimits
from gateway.intake.pace import Group
from gateway.intake.wire import (
    Advisory,
    Read,
    Reason,
    Refusal,
    StatusReport,
    Unsequenced,
    device_of,
)
from gateway.model.allowance import Allowance
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId
from gateway.model.outcome import Stream
from gateway.model.time import Clock

LOG = logging.getLogger(__name__)

ALLOWANCES_MAX = 1_000


class Inbox(Protocol):
    """The broker's link. ``take`` gives at least one delivery, or none when the time passed."""

    async def take(self, most: int, within_s: float | None) -> Sequence[Delivery]: ...
    def acknowledge(self, tokens: Sequence[tuple[int, int]]) -> None: ...
    def send(self, topic: str, payload: bytes) -> None: ...


class Admit(Protocol):
    """Stores a batch. Returns only after the commit reached the disk."""

    async def __call__(self, batch: Sequence[tuple[Arrival, bytes]]) -> Admitted: ...


class Notice(Protocol):
    """Hears what became of a batch, after its receipts went out."""

    def admitted(self, result: Admitted) -> None: ...
    def status(self, report: StatusReport) -> None: ...
    def heard(self, device: DeviceId) -> None: ...


class Intake:
    """The loop of one connection to the broker; tokens of another mean nothing here."""

    def __init__(  # noqa: PLR0913 -- its needs, each one named
        self,
        *,
        inbox: Inbox,
        read: Callable[[Delivery], Read | Unsequenced],
        admit: Admit,
        notice: Notice,
        clock: Clock,
        limits: IntakeLimits,
        point: Callable[[str], None],
    ) -> None:
        self._inbox = inbox
        self._read = read
        self._admit = admit
        self._notice = notice
        self._clock = clock
        self._limits = limits
        self._point = point
        self._allowances: dict[DeviceId, Allowance] = {}
        """One a device: who sends nothing but rubbish must not fill the log."""

    async def run(self) -> NoReturn:
        """Move deliveries to the disk until cancelled or disconnected.

        Crash: before the commit the broker or the device sends it all again; after it a
        resend is answered with the same marks. ``point`` names both places for tests.
        """
        while True:
            await self._commit(await self._gather())

    async def _gather(self) -> list[tuple[Delivery, Read | Unsequenced]]:
        """Wait for a first delivery, then for its companions as long as the pace allows."""
        group = Group(self._limits)
        gathered: list[tuple[Delivery, Read | Unsequenced]] = []
        within_s: float | None = None
        while within_s is None or within_s > 0:
            room = self._limits.commit_messages - len(gathered)
            taken = await self._inbox.take(room, within_s)
            now = self._clock.now()
            for delivery in taken:
                arrival = self._read(delivery)
                gathered.append((delivery, arrival))
                if isinstance(arrival, Unsequenced):
                    key = arrival.message.key
                    group.add(key.device, key.stream, now)
                    continue
                # A status asks for an answer as urgently as an alert.
                urgent = not delivery.topic.endswith("/data")
                stream = Stream.ALERT if urgent else Stream.DATA
                group.add(device_of(delivery.topic), stream, now)
            within_s = group.due_in_s(now) if taken else 0.0
        return gathered

    async def _commit(self, gathered: Sequence[tuple[Delivery, Read | Unsequenced]]) -> None:
        batch: list[tuple[Arrival, bytes]] = [
            (arrival, delivery.payload)
            for delivery, arrival in gathered
            if not isinstance(arrival, Advisory)
        ]
        self._point("before-commit")
        result = await self._admit(batch)
        self._point("after-commit")
        self._inbox.acknowledge([delivery.token for delivery, _ in gathered])
        self._point("after-acknowledge")
        for device, receipt in result.receipts:
            self._inbox.send(f"line/{device}/down/receipt", msgspec.json.encode(receipt))
        self._point("after-receipt")
        self._tell(gathered, result)

    def _log(self, device: DeviceId, reason: Reason, detail: str) -> None:
        now = self._clock.now()
        if len(self._allowances) >= ALLOWANCES_MAX:
            self._allowances.clear()
        before = self._allowances.get(device, Allowance(now))
        self._allowances[device], unlogged = before.spend(now)
        if unlogged is not None:
            more = f" ({unlogged} before it were not logged)" if unlogged else ""
            LOG.warning(
                "event=refused device=%s reason=%s %s%s", device, reason.value, detail, more
            )

    def _tell(
        self, gathered: Sequence[tuple[Delivery, Read | Unsequenced]], result: Admitted
    ) -> None:
        for _, arrival in gathered:
            match arrival:
                case StatusReport():
                    self._notice.status(arrival)
                case Refusal(device=device, reason=reason, detail=detail):
                    self._log(device, reason, detail)
                    if reason is not Reason.UNKNOWN_DEVICE:
                        self._notice.heard(device)
                case _:
                    self._notice.heard(arrival.device if isinstance(arrival, Advisory)
                                      else arrival.message.key.device)  # fmt: skip
        for key in result.conflicts:
            LOG.error(
                "event=device-key-conflict device=%s epoch=%s stream=%s seq=%s",
                key.device,
                key.epoch,
                key.stream.value,
                key.seq,
            )
        self._notice.admitted(result)
