"""Where every receipted message ends: exactly one of these, counted (promise P1)."""

from enum import Enum


class MessageClass(Enum):
    """The data classes of a message, in the order in which they leave the site."""

    ALERT = "alert"
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
