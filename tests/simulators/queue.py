"""The uplink's queue in memory: what arrives is sealed by the real plan and encoder."""

import asyncio
from dataclasses import dataclass, field

from gateway.model.contract import Contract, ContractInForce
from gateway.model.outcome import MessageClass
from gateway.model.outgoing import AlertRow, OutgoingRow
from gateway.model.time import Clock
from gateway.privacy.anonymise import blend
from gateway.uplink.batch import Batch
from gateway.uplink.encoding import encode
from gateway.uplink.limits import UplinkLimits
from gateway.uplink.sealing import Held, NotYet, Seal, plan

CONTRACT = ContractInForce(Contract(version=1, name="test"), "c" * 64)


class KilledError(Exception):
    """The process ended here."""


@dataclass
class MemoryQueue:
    """Implements ``uplink.service.Queue``. ``ended`` logs (sha256, how) in the order of ends."""

    clock: Clock
    limits: UplinkLimits
    ended: list[tuple[str, str]] = field(default_factory=list)
    sealed: dict[str, Batch] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)
    """Parked batches and why."""
    asked: int = 0
    """How often ``seal`` was called."""
    cut_before_delivered: bool = False
    """Crash point: the next ``delivered`` dies before its commit."""

    def __post_init__(self) -> None:
        self._held: list[tuple[Held, tuple[OutgoingRow, ...]]] = []
        self._arrived = asyncio.Event()
        self._last_id = 0

    def arrive(self, message_class: MessageClass, *rows: OutgoingRow) -> None:
        """Take a message whose rows may leave."""
        self._last_id += 1
        digest = CONTRACT.sha256
        held = Held(self._last_id, message_class, digest, self.clock.site(), size_bytes=200)
        self._held.append((held, rows))
        self._arrived.set()

    def alert(self, label: str = "scratch") -> None:
        """Take a message with one alert."""
        row = AlertRow(int(self.clock.wall() / 1000), "defect", "major", label, 900)
        self.arrive(MessageClass.ALERT, row)

    async def seal(self) -> float | None:
        self.asked += 1
        self._arrived.clear()
        decision = plan([held for held, _ in self._held], self.limits, self.clock.site())
        match decision:
            case NotYet(due_in_s):
                return due_in_s
            case Seal(message_class, _, ids):
                rows = blend(
                    row for held, rows in self._held if held.message_id in ids for row in rows
                )
                batch = encode(
                    rows,
                    message_class,
                    messages=len(ids),
                    site="plant-a",
                    contract=CONTRACT,
                    nonce=f"{len(self.sealed) + len(self.ended):032x}",
                )
                self.sealed[batch.sha256] = batch
                self._held = [pair for pair in self._held if pair[0].message_id not in ids]
                return 0

    async def next(self) -> Batch | None:
        waiting = [batch for sha256, batch in self.sealed.items() if sha256 not in self.aside]
        alerts = [batch for batch in waiting if batch.message_class is MessageClass.ALERT]
        return next(iter(alerts + waiting), None)

    async def delivered(self, sha256: str) -> None:
        if self.cut_before_delivered:
            self.cut_before_delivered = False
            raise KilledError
        del self.sealed[sha256]
        self.ended.append((sha256, "delivered"))

    async def park(self, sha256: str, reason: str) -> None:
        self.aside[sha256] = reason
        self.ended.append((sha256, "parked"))

    async def parked(self) -> int:
        return len(self.aside)

    async def wait(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            sleeping = tasks.create_task(self.clock.sleep(seconds))
            arrival = tasks.create_task(self._arrived.wait())
            await asyncio.wait({sleeping, arrival}, return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
            arrival.cancel()
