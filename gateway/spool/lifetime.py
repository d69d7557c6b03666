"""How long a message of a class is kept, and whether it may leave, by its contract. Pure."""

from dataclasses import dataclass
from typing import Final

from gateway.model.contract import Contract
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Lifetime:
    """What the contract says of one message."""

    leaves: bool
    expires: SiteTime | None
    """None: kept until delivered, however long the outage."""


def lifetime(contract: Contract, message_class: MessageClass, received: SiteTime) -> Lifetime:
    """Return what becomes of a message of ``message_class`` that was received at ``received``."""
    match message_class:
        case MessageClass.ALERT:
            if contract.alert.leaves:
                return Lifetime(leaves=True, expires=None)
            return _until(received, contract.alert.kept_after_delivery_h, leaves=False)
        case MessageClass.RESULT:
            return _until(received, contract.result.kept_h, leaves=contract.result.rows_leave)
        case MessageClass.METRIC:
            return _until(received, contract.metric.kept_h, leaves=False)
        case MessageClass.LOG | MessageClass.ERROR_LOG:
            return _until(received, contract.log.kept_h, leaves=contract.log.leaves)


def _until(received: SiteTime, hours: int, *, leaves: bool) -> Lifetime:
    return Lifetime(leaves=leaves, expires=SiteTime(received + hours * HOUR_MS))


def ranges(seqs: list[int]) -> list[tuple[int, int]]:
    """Return ascending ``seqs`` as inclusive (first, last) ranges."""
    found: list[tuple[int, int]] = []
    for seq in seqs:
        if found and seq == found[-1][1] + 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return found
