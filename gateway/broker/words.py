"""What mosquitto says, told apart: routine, a refusal that is counted, anything else. Pure.

The forms are those of mosquitto 2.0.11 with ``connection_messages true``; the conformance
suite provokes each. A line of an unknown form is passed on as it is: better one line too
many than a broker that fails in silence. What the access rules refuse is told apart in
``denials.py``.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

LINE_CHARS_MAX: Final = 300

_ROUTINE: Final = (
    "New connection from ",
    "New client connected from ",
    "Warning: Unable to set TCP_NODELAY",  # a unix socket has no Nagle to switch off
    "Warning: Mosquitto should not be run as root",  # as the caller's user, whoever that is
    "Config loaded from ",
    "Opening ",
    "mosquitto version ",
    "Client <unknown> disconnected: Protocol error.",  # follows a TLS error, which says why
)
_GOODBYE: Final = (" closed its connection.", " disconnected.")


class Reason(Enum):
    """Why the broker refused something; counters carry the value, spelled for ever."""

    OVERSIZE = "oversize-packet"
    MALFORMED = "malformed-packet"
    PROTOCOL = "protocol-error"
    CERTIFICATE = "certificate"
    TLS = "tls"
    NOT_AUTHORISED = "not-authorised"
    TAKEN_OVER = "taken-over"
    SILENT = "keepalive"
    CONNECTIONS = "connections"
    QUEUE = "queue-full"
    EXPELLED = "expelled"
    MEMORY = "memory"
    FOREIGN_TOPIC = "foreign-topic"
    DENIED_TOPIC = "denied-topic"
    FOREIGN_SUBSCRIPTION = "foreign-subscription"


# In this order: the first words that stand in a line decide.
_REFUSALS: Final = (
    ("due to oversize packet", Reason.OVERSIZE),
    ("due to malformed packet", Reason.MALFORMED),
    ("due to protocol error", Reason.PROTOCOL),
    ("due to out of memory", Reason.MEMORY),
    ("did not return a certificate", Reason.CERTIFICATE),
    ("certificate verify failed", Reason.CERTIFICATE),
    ("unknown ca", Reason.CERTIFICATE),
    ("OpenSSL Error", Reason.TLS),
    ("SSL routines", Reason.TLS),
    ("not authorised", Reason.NOT_AUTHORISED),
    ("already connected, closing old connection", Reason.TAKEN_OVER),
    ("exceeded timeout", Reason.SILENT),
    ("max_connections exceeded", Reason.CONNECTIONS),
    ("messages are being dropped", Reason.QUEUE),
    ("disconnected by administrative action", Reason.EXPELLED),
)


@dataclass(frozen=True, slots=True)
class Words:
    """A line worth a person's time. ``reason`` is None where nothing was refused."""

    text: str
    reason: Reason | None
    times: int = 1
    """How often it was said at once; ``text`` is the first of them."""


def heard(line: str) -> Words | None:
    """Return what ``line`` says, in printable characters and cut; None for routine."""
    text = "".join(char if char.isprintable() else "?" for char in line.strip())[:LINE_CHARS_MAX]
    for words, reason in _REFUSALS:
        if words in text:
            return Words(text, reason)
    if not text or text.startswith(_ROUTINE):
        return None
    if text.startswith("Client ") and text.endswith(_GOODBYE):
        return None
    return Words(text, None)
