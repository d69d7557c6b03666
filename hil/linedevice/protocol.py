"""Protocol version 1 as the device runs it: what to send now, and what a receipt means.

The text is ``docs/device-protocol.md``, the payloads are ``payloads.py``. This file is
pure: no clock, no chance, no disk, no network. ``link.py`` performs what it decides.

Rules that ``Sender`` keeps:
1. A PUBACK frees nothing. Only the mark of a receipt of the current epoch does.
2. After connecting, the status goes first; nothing else goes before a receipt answers it.
3. At most ``window`` messages lack a receipt, alerts first; a fifth is kept for alerts.
4. What has no receipt is sent again after 1 s, doubling to 30 s; at once after a reconnect.
5. What the gateway already had when this process started is *contested*: a storage that was
   rolled back may hold other content under these numbers. It is sent again, and the gateway
   answers other content with "conflict". It is freed when the mark rises above what the
   gateway had: only a later message of ours does that, read after all contested ones.
6. A conflict, or a mark above the own highest number, asks for a new epoch. The marks of
   that receipt are not applied.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hil.linedevice.payloads import WINDOW_DEFAULT, Access, Receipt, Stream

WINDOW_MAX: Final = 1000
WAIT_FIRST_S: Final = 1.0
WAIT_MAX_S: Final = 30.0
"""Before a resend, and of silence after a refusal: doubling from the first to the last."""
CONFLICT: Final = "conflict"
NO_SUBSCRIBER: Final = 0x10
FAILURE: Final = 0x80
"""PUBACK codes from here on are failures, such as 0x87, not authorised (MQTT 5, 3.4.2.1)."""

Held = Mapping[Stream, range]
"""What the outbox holds, without holes: from the lowest number held to the highest given.
An empty range ``range(n + 1, n + 1)`` says that ``n`` was the last and is free."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to publish now, in this order, and when to ask again if nothing happens."""

    status: bool
    messages: tuple[tuple[Stream, int], ...]
    wake_at: float


@dataclass(frozen=True, slots=True)
class Settled:
    """Free each stream up to its mark. ``refused`` are new refusals, for the log."""

    free: Mapping[Stream, int]
    refused: tuple[tuple[Stream, int, str], ...]


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """Draw an epoch and renumber the whole outbox before anything else is sent."""

    reason: str


@dataclass(slots=True)
class _Flight:
    """A message without a receipt: when it is sent again, and how long the next wait is."""

    due: float
    wait_s: float = WAIT_FIRST_S
    refused: bool = False


@dataclass(slots=True)
class _Lane:
    flights: dict[int, _Flight] = field(default_factory=dict)
    """By number, ascending."""
    cursor: int = 0
    """The next number to send on this connection."""
    sent_to: int = 0
    """The highest number that this process has sent in this epoch."""
    contested_to: int | None = None
    """The gateway's mark when it first answered this process in this epoch (rule 5)."""

    def forget(self, mark: int) -> None:
        self.flights = {seq: flight for seq, flight in self.flights.items() if seq > mark}


def spread(wait_s: float, jitter: float) -> float:
    """Return ``wait_s`` shortened by up to a half; ``jitter`` is from 0 to 1."""
    return wait_s * (1 - jitter / 2)


class Sender:
    """What to publish now. Not thread-safe: it lives on the thread of the network."""

    def __init__(self) -> None:
        self._lanes = {stream: _Lane() for stream in Stream}
        self._window = WINDOW_DEFAULT
        self._admitted = True
        self._paused = False
        self._blocked_until = -math.inf
        self._backoff_s = WAIT_FIRST_S
        self.answered = False
        self._ask(math.inf)

    def connected(self, now: float) -> None:
        """Say that a connection stands with its subscriptions: the status is due."""
        self._blocked_until, self._paused = now, False
        self._ask(now)

    def disconnected(self) -> bool:
        """Say that the connection is gone; return whether a receipt had answered on it."""
        answered = self.answered
        self._ask(math.inf)
        for lane in self._lanes.values():
            lane.flights.clear()
            lane.cursor = 0
        return answered

    def _ask(self, status_at: float) -> None:
        """Send nothing but the status, from ``status_at`` on, until a receipt answers it."""
        self.answered = False
        self._status_due, self._status_wait_s = status_at, WAIT_FIRST_S
        for lane in self._lanes.values():
            for flight in lane.flights.values():
                flight.due, flight.wait_s = status_at, WAIT_FIRST_S

    def status_changed(self, now: float) -> None:
        """Say that the status has other content than when it was last published."""
        self._status_due = min(self._status_due, now)

    def plan(self, now: float, held: Held, jitter: float) -> Plan:
        """Return what to publish at ``now``. The caller publishes all of it."""
        if now < self._blocked_until:
            return Plan(status=False, messages=(), wake_at=self._blocked_until)
        status = self._status_due <= now
        if status:
            waiting = not self.answered or self._paused
            self._status_due = now + spread(self._status_wait_s, jitter) if waiting else math.inf
            self._status_wait_s = min(self._status_wait_s * 2, WAIT_MAX_S)
        messages: list[tuple[Stream, int]] = []
        wake_at = self._status_due
        if self.answered and self._admitted:
            for stream, lane in self._lanes.items():
                if stream is Stream.DATA and self._paused:
                    continue
                messages += [(stream, seq) for seq in self._due(stream, held[stream], now, jitter)]
                wake_at = min([wake_at, *(flight.due for flight in lane.flights.values())])
        return Plan(status, tuple(messages), wake_at)

    def _due(self, stream: Stream, held: range, now: float, jitter: float) -> list[int]:
        lane = self._lanes[stream]
        lane.forget(held.start - 1)  # what an overflowing outbox dropped
        again = [seq for seq, flight in lane.flights.items() if flight.due <= now]
        for seq in again:
            flight = lane.flights[seq]
            flight.wait_s = min(flight.wait_s * 2, WAIT_MAX_S)
            flight.due = now + spread(flight.wait_s, jitter)
        first = max(lane.cursor, held.start)
        new = list(range(first, min(first + self._room(stream), held.stop)))
        for seq in new:
            lane.flights[seq] = _Flight(now + spread(WAIT_FIRST_S, jitter))
            lane.cursor, lane.sent_to = seq + 1, max(lane.sent_to, seq)
        return again + new

    def _room(self, stream: Stream) -> int:
        flying = sum(len(lane.flights) for lane in self._lanes.values())
        share = math.ceil(self._window * (4 / 5 if stream is Stream.DATA else 1))
        return max(0, min(self._window - flying, share - len(self._lanes[stream].flights)))

    def receipt(self, receipt: Receipt, now: float, held: Held, epoch: int) -> Settled | NewEpoch:
        """Return what a receipt means for the outbox, which holds ``held`` in ``epoch``.

        After ``NewEpoch`` the caller renumbers the outbox, then goes on with ``plan``.
        """
        if receipt.epoch != epoch:
            return Settled({}, ())  # of an epoch that is over
        if reason := _broken(receipt, held):
            self._lanes = {stream: _Lane() for stream in Stream}
            self._ask(now)
            return NewEpoch(reason)
        if not self.answered:
            self.answered, self._status_due = True, math.inf
        self._backoff_s = WAIT_FIRST_S
        self._pause("data" in receipt.pause, now)
        refused = self._refuse(receipt, now)
        free: dict[Stream, int] = {}
        for stream, lane in self._lanes.items():
            mark = receipt.mark(stream)
            if lane.contested_to is None:
                lane.contested_to = mark
            if mark > lane.contested_to:
                free[stream] = min(mark, lane.sent_to)
            lane.forget(mark)
        return Settled(free, refused)

    def _refuse(self, receipt: Receipt, now: float) -> tuple[tuple[Stream, int, str], ...]:
        """Slow down what was refused: the mark will pass it, so it needs no sending."""
        fresh = []
        for stream, seq, reason in receipt.refused:
            flight = self._lanes[stream].flights.get(seq)
            if flight is not None and not flight.refused:
                flight.refused, flight.wait_s = True, WAIT_MAX_S
                flight.due = now + WAIT_MAX_S
                fresh.append((stream, seq, reason))
        return tuple(fresh)

    def _pause(self, paused: bool, now: float) -> None:  # noqa: FBT001 -- a state, not a switch
        if paused:  # the receipt that ends it may be lost: ask now and then
            self._status_wait_s = WAIT_MAX_S
            self._status_due = min(self._status_due, now + WAIT_MAX_S)
        elif self._paused:
            self._status_due = math.inf
        self._paused = paused

    def acknowledged(self, code: int, now: float, jitter: float) -> None:
        """Take the reason code of a PUBACK.

        Nobody listens (0x10), not authorised (0x87) or another failure: be silent for a
        while, then ask with a status alone.
        """
        refused = code == NO_SUBSCRIBER or code >= FAILURE
        if refused and now >= self._blocked_until:  # once for a burst
            self._blocked_until = now + spread(self._backoff_s, jitter)
            self._backoff_s = min(self._backoff_s * 2, WAIT_MAX_S)
            self._ask(self._blocked_until)

    def heard(self, now: float, jitter: float) -> None:
        """Say that something came from the gateway: it is back, so wait a second at most."""
        self._blocked_until = min(self._blocked_until, now + jitter)
        if not self.answered:
            self._status_due = min(self._status_due, max(self._blocked_until, now + jitter))

    def access(self, access: Access) -> None:
        """Take the window, and whether anything but the status may be sent at all."""
        self._window = max(1, min(access.window, WINDOW_MAX))
        self._admitted = access.state in {"admitted", "provisional"}


def _broken(receipt: Receipt, held: Held) -> str:
    """Return why the epoch cannot go on; empty when it can."""
    for stream, seq, reason in receipt.refused:
        if reason == CONFLICT:
            return f"the gateway holds other content under {stream.value} {seq}"
    for stream, own in held.items():
        mark, highest = receipt.mark(stream), own.stop - 1
        if mark > highest:
            return f"the gateway has {stream.value} {mark}, but the last here is {highest}"
    return ""
