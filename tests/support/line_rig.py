"""A device's outbox and sender, a model gateway, and the queues between them, by hand.

Nothing moves by itself: a test says when the device publishes, when the gateway reads, when
a receipt arrives, what is lost and when the power goes. ``free`` is watched: whatever the
device forgets must already be on the gateway's disk, or the rig stops with what was lost.
"""

import json
import shutil
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from hil.linedevice.outbox import Outbox
from hil.linedevice.payloads import (
    JSON,
    Access,
    Stamp,
    Stream,
    alert,
    data,
    encode,
    read_receipt,
)
from hil.linedevice.protocol import NewEpoch, Sender, Settled
from tests.support.model_gateway import ModelGateway

WINDOW = 5
STAMP = Stamp("2f1c7f3e-boot", 1000, 1_700_000_000_000)
HALF = 0.5  # the jitter, always


class Rig:
    def __init__(self, folder: Path, *, max_messages: int = 50_000) -> None:
        self.path = folder / "outbox.db"
        self.max_messages = max_messages
        self.gateway = ModelGateway()
        self.gateway_listens = True
        self.now = 1000.0
        self.up: deque[tuple[Any, ...]] = deque()
        self.down: deque[dict[str, Any]] = deque()
        self.sent: list[tuple[Stream, int]] = []
        self.statuses = 0
        self.epochs: list[str] = []
        self.refusals: list[tuple[Stream, int, str]] = []
        self.names = 0
        self.connected = False
        self.outbox = self._open()
        self.sender = Sender()
        self.sender.access(Access("admitted", WINDOW))

    def _open(self) -> Outbox:
        return Outbox(self.path, max_messages=self.max_messages)

    # The device's own life.

    def put(self, stream: Stream, count: int = 1) -> list[int]:
        """Put messages whose content is a number that grows; return the numbers."""
        names = list(range(self.names + 1, self.names + 1 + count))
        self.names += count
        make = [
            alert(STAMP, {"n": n}) if stream is Stream.ALERT else data(STAMP, "result", [{"n": n}])
            for n in names
        ]
        self.outbox.put(make)
        return names

    def waiting(self) -> dict[Stream, list[int]]:
        """Return the contents that the outbox holds, in order."""
        held = self.outbox.held()
        return {stream: [self._name(stream, seq) for seq in held[stream]] for stream in Stream}

    def _name(self, stream: Stream, seq: int) -> int:
        message = self.outbox.read(stream, seq)
        assert message is not None
        binary = message.draft.content_type != JSON
        decode = msgspec.msgpack.decode if binary else msgspec.json.decode
        return int(decode(message.draft.items)[0]["n"])

    def _read(self, stream: Stream, seq: int) -> tuple[dict[str, Any], int]:
        message = self.outbox.read(stream, seq)
        assert message is not None
        binary = message.draft.content_type != JSON
        payload = encode(message)
        envelope = msgspec.msgpack.decode(payload) if binary else json.loads(payload)
        return envelope, envelope["items"][0]["n"]

    def power_cut(self) -> None:
        """End the process without goodbye, and start it again on the same storage."""
        self.lose_connection()
        self.outbox.close()
        self.outbox = self._open()
        self.sender = Sender()
        self.sender.access(Access("admitted", WINDOW))

    def back_up(self, copy: Path) -> None:
        self.outbox.close()
        shutil.copy(self.path, copy)
        self.outbox = self._open()

    def roll_back(self, copy: Path) -> None:
        """Start the process again on an older storage. The gateway has read what was sent."""
        while self.up:
            self.gateway_reads()
        self.outbox.close()
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.copy(copy, self.path)
        self.outbox = self._open()
        self.power_cut()

    # The network.

    def connect(self) -> None:
        self.connected = True
        self.sent.clear()
        self.sender.connected(self.now)

    def lose_connection(self) -> None:
        self.connected = False
        self.down.clear()  # receipts have QoS 0
        self.sender.disconnected()

    def publish(self) -> None:
        """Let the device publish what is due."""
        if not self.connected:
            return
        plan = self.sender.plan(self.now, self.outbox.held(), HALF)
        if plan.status:
            self.statuses += 1
            self._send(("status", self.outbox.last().epoch))
        for stream, seq in plan.messages:
            envelope, name = self._read(stream, seq)
            key = (envelope["epoch"], stream.value, envelope["seq"], envelope["base"])
            if self._send((*key, name)):
                self.sent.append((stream, seq))

    def _send(self, message: tuple[Any, ...]) -> bool:
        """Hand a message to the broker, which says at once when nobody listens."""
        if self.gateway_listens:
            self.up.append(message)
        self.sender.acknowledged(0 if self.gateway_listens else 0x10, self.now, HALF)
        return self.gateway_listens

    def gateway_reads(self) -> None:
        """Let the gateway commit the oldest message and send its receipt."""
        first, *rest = self.up.popleft()
        if first == "status":
            receipt = self.gateway.status(*rest)
        else:
            receipt = self.gateway.message(first, *rest)
        if self.connected:
            self.down.append(receipt)

    def device_hears(self) -> None:
        """Let the oldest receipt arrive."""
        receipt = read_receipt(json.dumps(self.down.popleft()).encode())
        self.sender.heard(self.now, HALF)
        held, epoch = self.outbox.held(), self.outbox.epoch
        match self.sender.receipt(receipt, self.now, held, epoch):
            case NewEpoch(reason):
                self.epochs.append(reason)
                self.sent.clear()
                self.outbox.renumber()
            case Settled(free, refused):
                self.refusals += refused
                self.sent = [(s, seq) for s, seq in self.sent if seq > receipt.mark(s)]
                for stream, mark in free.items():
                    for seq in held[stream]:
                        if seq <= mark:
                            self._must_be_safe(stream, seq)
                self.outbox.free(free)

    def _must_be_safe(self, stream: Stream, seq: int) -> None:
        name = self._name(stream, seq)
        assert name in self.stored(), f"freed {stream.value} {seq}, but content {name} is nowhere"

    def tick(self, seconds: float) -> None:
        self.now += seconds

    def move(self) -> None:
        """Publish what is due, let all of it be read, and all receipts arrive."""
        self.publish()
        while self.up:
            self.gateway_reads()
        while self.down:
            self.device_hears()

    def run(self, rounds: int = 40) -> None:
        """Let everything move with all the time it needs."""
        for _ in range(rounds):
            self.move()
            self.tick(3)

    def settle(self) -> None:
        """Put a message into each stream, which also proves what was contested, and run."""
        for stream in Stream:
            self.run()
            self.put(stream)
        self.run()
        assert not len(self.outbox), f"the outbox still holds {self.waiting()}"

    # What is true.

    def stored(self) -> set[object]:
        return {name for epoch in self.gateway.epochs.values() for name in epoch.stored.values()}

    def contested(self) -> bool:
        """Return whether the device still holds what the gateway had when it started."""
        held = self.outbox.held()
        lanes = self.sender._lanes
        return any(held[stream].start <= (lanes[stream].contested_to or 0) for stream in Stream)

    def in_flight(self) -> set[tuple[Stream, int]]:
        """Return what was sent on this connection, is held, and has no receipt."""
        held = self.outbox.held()
        return {(stream, seq) for stream, seq in self.sent if seq in held[stream]}
