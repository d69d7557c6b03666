"""Where every receipted message ends: exactly one of these, counted (promise P1)."""

from enum import Enum


class MessageClass(Enum):
    """The data classes of a message, in the order in which they leave the site.

    What is shed when the disk is tight has an order of its own: ``spool/shedding.py``.
    """

    ALERT = "alert"
    ERROR_LOG = "error-log"
    """A message of logs that holds at least one of severity error."""
    RESULT = "result"
    METRIC = "metric"
    LOG = "log"


class Stream(Enum):
    """Two independent sequences a device: alerts never wait behind data."""

    ALERT = "alert"
    DATA = "data"


class Outcome(Enum):
    """The state of a message in the trace. The first two are not ends yet."""

    QUEUED = "queued"
    SEALED = "sealed"
    DELIVERED = "delivered"
    AGGREGATED = "aggregated"
    EXPIRED = "expired"
    SHED = "shed"
    DEAD_LETTERED = "dead-lettered"
    PARKED = "parked"
    UNTRUSTED = "refused-untrusted"
    LOST = "lost"
    """Receipted, and gone with a damaged file: the one end that nobody decided."""
