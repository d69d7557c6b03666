"""What each device may take of the gateway: a bucket over time, and a part of the inbox. Pure.

Asked for every message as it comes from the broker, before anybody looks inside.

* **The bucket** bounds what a device sends in the long run: messages and bytes a second,
  with a burst of an hour, so that a backlog passes: that of a device that was cut off, or
  that of a gateway that was away. It goes into debt for one message, so size alone never
  keeps one out.
* **The part of the inbox** is what makes it fair: a device that keeps to its window never
  has more than that under way, so whoever has twice a window waiting takes the place of
  others. Messages that cannot be sent again (a topic map, QoS 1) are exempt: they may be a
  backlog that the broker held.

Who is refused so often that no window explains it, second after second, is *over*: no
device that keeps the protocol can be refused more than its window a second, because it
sends each message again after a second at the earliest.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gateway.intake.limits import IntakeLimits
from gateway.model.identity import DeviceId
from gateway.model.time import Instant

BURST_S: Final = 3_600
LARGEST_BYTES: Final = 262_144
"""A message of the largest picture; a window of them is what an honest device may be refused."""
ACCOUNTS_MAX: Final = 2_000
"""Above the inventory's bound; beyond, strangers share one account."""
STRANGERS: Final = DeviceId("")
ROUND_S: Final = 1.0
ATTRIBUTED_ROUNDS: Final = 60


@dataclass(slots=True)
class Traffic:
    """What one device sent: all of it, and what of it was refused."""

    messages: int = 0
    bytes: int = 0
    refused: int = 0
    refused_bytes: int = 0
    at_most_once: int = 0
    """Messages of QoS 0, which the protocol does not know."""

    def add(self, other: "Traffic") -> None:
        """Count ``other`` in."""
        self.messages += other.messages
        self.bytes += other.bytes
        self.refused += other.refused
        self.refused_bytes += other.refused_bytes
        self.at_most_once += other.at_most_once


@dataclass(slots=True)
class _Account:
    messages: float
    bytes: float
    at: Instant
    held: int = 0
    over_rounds: int = 0
    refused_rounds: int = 0
    now: Traffic = field(default_factory=Traffic)


@dataclass(frozen=True, slots=True)
class Round:
    """What a finished second showed."""

    traffic: dict[DeviceId, Traffic]
    over: dict[DeviceId, int]
    """Devices refused more than any window explains, and for how many seconds in a row."""
    limited: dict[DeviceId, int]
    """Devices refused at all, and for how many seconds in a row."""


@dataclass(slots=True)
class Shares:
    """Updated in place by ``enter`` and ``leave``; ``turn`` closes a second."""

    limits: IntakeLimits
    accounts: dict[DeviceId, _Account] = field(default_factory=dict[DeviceId, _Account])
    recent: deque[dict[DeviceId, Traffic]] = field(
        default_factory=lambda: deque[dict[DeviceId, Traffic]](maxlen=ATTRIBUTED_ROUNDS)
    )

    def enter(
        self, device: DeviceId, size_bytes: int, qos: int, now: Instant, *, repeats: bool = True
    ) -> bool:
        """Count a message, and say whether it may enter the inbox.

        ``repeats`` says whether its device sends again what gets no receipt.
        """
        account = self._account(device, now)
        account.now.messages += 1
        account.now.bytes += size_bytes
        if qos == 0:
            account.now.at_most_once += 1
        self._refill(account, now)
        fair = account.held < 2 * self.limits.window or (qos > 0 and not repeats)
        if not fair or account.messages <= 0 or account.bytes <= 0:
            account.now.refused += 1
            account.now.refused_bytes += size_bytes
            return False
        account.messages -= 1
        account.bytes -= size_bytes
        account.held += 1
        return True

    def refuse(self, device: DeviceId, size_bytes: int, now: Instant) -> None:
        """Count a message of a device that may send nothing now."""
        traffic = self._account(device, now).now
        traffic.messages += 1
        traffic.bytes += size_bytes
        traffic.refused += 1
        traffic.refused_bytes += size_bytes

    def leave(self, device: DeviceId) -> None:
        """Note that a message which entered is out of the inbox."""
        account = self.accounts.get(device) or self.accounts.get(STRANGERS)
        if account is not None:
            account.held = max(0, account.held - 1)

    def turn(self) -> Round:
        """Close the round: the caller calls this once a second."""
        window = self.limits.window
        traffic: dict[DeviceId, Traffic] = {}
        over: dict[DeviceId, int] = {}
        limited: dict[DeviceId, int] = {}
        for device, account in list(self.accounts.items()):
            said = account.now
            if said.messages:
                traffic[device] = said
                account.now = Traffic()
            elif self._is_idle(account):
                del self.accounts[device]
                continue
            noisy = said.refused > 2 * window or said.refused_bytes > 2 * window * LARGEST_BYTES
            account.over_rounds = account.over_rounds + 1 if noisy else 0
            account.refused_rounds = account.refused_rounds + 1 if said.refused else 0
            if account.over_rounds:
                over[device] = account.over_rounds
            if account.refused_rounds:
                limited[device] = account.refused_rounds
        self.recent.append(traffic)
        return Round(traffic, over, limited)

    def pardon(self, device: DeviceId) -> None:
        """Begin anew to count for how long a device is over."""
        if device in self.accounts:
            self.accounts[device].over_rounds = 0

    def attribution(self) -> dict[DeviceId, Traffic]:
        """Return what each device sent in the last minute, the greatest number first."""
        total: dict[DeviceId, Traffic] = {}
        for traffic in self.recent:
            for device, said in traffic.items():
                total.setdefault(device, Traffic()).add(said)
        return dict(sorted(total.items(), key=lambda one: -one[1].messages))

    def _account(self, device: DeviceId, now: Instant) -> _Account:
        account = self.accounts.get(device)
        if account is None:
            if len(self.accounts) >= ACCOUNTS_MAX:
                device = STRANGERS
            limits = self.limits
            account = self.accounts.setdefault(
                device,
                _Account(
                    float(limits.device_messages_per_s * BURST_S),
                    float(limits.device_bytes_per_s * BURST_S),
                    now,
                ),
            )
        return account

    def _refill(self, account: _Account, now: Instant) -> None:
        passed_s = now - account.at
        if passed_s <= 0:
            return
        limits = self.limits
        account.at = now
        account.messages = min(
            limits.device_messages_per_s * BURST_S,
            account.messages + passed_s * limits.device_messages_per_s,
        )
        account.bytes = min(
            limits.device_bytes_per_s * BURST_S,
            account.bytes + passed_s * limits.device_bytes_per_s,
        )

    def _is_idle(self, account: _Account) -> bool:
        """Tell whether forgetting the account changes nothing: it holds none, and is full."""
        limits = self.limits
        return (
            account.held == 0
            and account.messages >= limits.device_messages_per_s * (BURST_S - 1)
            and account.bytes >= limits.device_bytes_per_s * (BURST_S - 1)
        )
