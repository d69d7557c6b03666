"""The uplink's queue in memory: what arrives is sealed by the real plan and encoder."""

import asyncio
from dataclasses import dataclass, field

from gateway.model.contract import Contract, ContractInForce
from gateway.model.outcome import MessageClass
from gateway.model.outgoing import AlertRow, OutgoingRow
from gateway.model.time import Clock, SiteTime
from gateway.privacy.anonymise import blend
from gateway.uplink.batch import Batch
from gateway.uplink.encoding import encode
from gateway.uplink.limits import UplinkLimits
from gateway.uplink.sealing import NOBODY, Held, NotYet, Seal, plan
from gateway.uplink.turn import Sealed, Turn, choose, sealable

CONTRACT = ContractInForce(Contract(version=1, name="test"), "c" * 64)


_Message = tuple[Held, tuple[OutgoingRow, ...]]


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

    parked_at: list[SiteTime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._held: list[_Message] = []
        self._inside: dict[str, list[_Message]] = {}
        self._numbers: dict[str, tuple[int, SiteTime]] = {}
        self._last_number = 0
        self._turns = NOBODY
        self._last_sent: MessageClass | None = None
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

    async def seal(self, turn: Turn) -> float | None:
        self.asked += 1
        self._arrived.clear()
        held = [held for held, _ in self._held]
        classes = sealable(self._heads(), turn)
        decision = plan(held, self.limits, self.clock.site(), self._turns, classes)
        match decision:
            case NotYet(due_in_s):
                return due_in_s
            case Seal(message_class, _, ids):
                self._turns = decision.turns
                mine = [pair for pair in self._held if pair[0].message_id in ids]
                self._held = [pair for pair in self._held if pair[0].message_id not in ids]
                self._seal(message_class, mine)
                return 0

    def _seal(self, message_class: MessageClass, mine: list[_Message]) -> None:
        self._last_number += 1
        batch = encode(
            blend(row for _, rows in mine for row in rows),
            message_class,
            messages=len(mine),
            site="plant-a",
            contract=CONTRACT,
            nonce=f"{self._last_number:032x}",
        )
        self.sealed[batch.sha256] = batch
        self._inside[batch.sha256] = mine
        self._numbers[batch.sha256] = (self._last_number, self.clock.site())

    def _heads(self) -> list[Sealed]:
        return [
            Sealed(self._numbers[sha256][0], sha256, one.message_class, self._numbers[sha256][1])
            for sha256, one in self.sealed.items()
            if sha256 not in self.aside
        ]

    async def next(self, turn: Turn) -> Batch | None:
        chosen = choose(self._heads(), turn, self.clock.site(), self._last_sent)
        if chosen is None:
            return None
        self._last_sent = chosen.message_class
        return self.sealed[chosen.sha256]

    async def delivered(self, sha256: str) -> None:
        if self.cut_before_delivered:
            self.cut_before_delivered = False
            raise KilledError
        del self.sealed[sha256]
        self.ended.append((sha256, "delivered"))

    async def split(self, sha256: str) -> bool:
        inside = self._inside[sha256]
        if len(inside) == 1:
            return False
        batch = self.sealed.pop(sha256)
        half = len(inside) // 2
        self._seal(batch.message_class, inside[:half])
        self._seal(batch.message_class, inside[half:])
        return True

    async def park(self, sha256: str, reason: str) -> None:
        self.aside[sha256] = reason
        self.parked_at.append(self.clock.site())
        self.ended.append((sha256, "parked"))

    async def parked(self) -> int:
        return len(self.aside)

    async def parked_since(self, since: SiteTime, most: int) -> list[SiteTime]:
        return [at for at in self.parked_at if at > since][-most:]

    async def wait(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            sleeping = tasks.create_task(self.clock.sleep(seconds))
            arrival = tasks.create_task(self._arrived.wait())
            await asyncio.wait({sleeping, arrival}, return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
            arrival.cancel()
