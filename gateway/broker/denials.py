"""What the access rules refused, out of the bytes that mosquitto writes. Pure.

mosquitto 2.0.11 says "Denied PUBLISH" at ``log_type debug`` only, among four to six lines for
each message that goes through. So a line of no interest is let go by its first bytes, before
anything is decoded; and what one device is refused within one reading is one ``Words`` with a
number, or a device could keep the gateway busy with refusals (a broker refuses 250,000 a second).

It says nothing of a refused subscription or last will, but it says each one that is asked for.
Every role is closed to whatever lies outside ``line/<device>/``, so it refuses such a one.

A topic is a device's own words: it is repeated only where it has a form of the protocol.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from gateway.broker.roles import DATA_CHANNEL, DOWN_CHANNELS, URGENT_CHANNELS
from gateway.broker.words import Reason, Words, heard

LINE_BYTES_MAX: Final = 4_096
"""Above what mosquitto writes as one line (1,000)."""

_EACH_MESSAGE: Final = (b"Received P", b"Sending P")
_WILL: Final = b"Will message specified"
_NOW_AND_THEN: Final = (b"Received ", b"Sending ", _WILL, b"No will message")
_CONNECTED: Final = b"New client connected from "
_SUBSCRIBE: Final = b"Received SUBSCRIBE from "
_BELOW: Final = b"\t"
_PUBLISH: Final = b"Denied PUBLISH from "
_DEVICE: Final = re.compile(rb"[a-z0-9][a-z0-9-]{0,62}")
_WILL_OF: Final = re.compile(_CONNECTED + rb".* as (%b) \(.*\n" % _DEVICE.pattern + _WILL)
_CHANNELS: Final = "|".join((DATA_CHANNEL, *URGENT_CHANNELS, *DOWN_CHANNELS)).encode()
_OF_THE_PROTOCOL: Final = re.compile(
    rb"#|\$(?:SYS|CONTROL)/#|\$CONTROL/dynamic-security/v1"
    rb"|line/(?:%b|\+)/(?:up|down)/(?:%b|\+|#)" % (_DEVICE.pattern, _CHANNELS)
)


@dataclass(slots=True)
class _Found:
    """What one reading brought."""

    words: list[Words] = field(default_factory=list[Words])
    denied: dict[tuple[bytes, Reason], tuple[bytes, int]] = field(
        default_factory=dict[tuple[bytes, Reason], tuple[bytes, int]]
    )
    """By device and reason: the first topic, and how many."""

    def deny(self, device: bytes, reason: Reason, topic: bytes) -> None:
        first, times = self.denied.get((device, reason), (topic, 0))
        self.denied[device, reason] = first, times + 1

    def published(self, line: bytes) -> bool:
        """Take ``Denied PUBLISH from <device> (d0, q1, r0, m2, '<topic>', ... (256 bytes))``."""
        device, _, rest = line.removeprefix(_PUBLISH).partition(b" (")
        if not line.startswith(_PUBLISH) or _DEVICE.fullmatch(device) is None:
            return False
        topic = rest.partition(b", '")[2].rpartition(b"', ... (")[0]
        if topic.startswith(b"line/"):
            own = topic.startswith(b"line/%b/up/" % device)
        else:  # of a topic map: the device's id is one of its levels
            own = device in topic.split(b"/")[1:]
        self.deny(device, Reason.DENIED_TOPIC if own else Reason.FOREIGN_TOPIC, topic)
        return True

    def asked(self, above: bytes, line: bytes) -> None:
        """Take the filter of a subscription or the topic of a will, which ``above`` announced."""
        if above.startswith(_SUBSCRIBE):
            device = above.removeprefix(_SUBSCRIBE)
            reason, topic = Reason.FOREIGN_SUBSCRIPTION, line.rpartition(b" (QoS ")[0]
        elif (announced := _WILL_OF.match(above)) is not None:
            device, reason, topic = announced[1], Reason.FOREIGN_TOPIC, line
        else:
            return
        if _DEVICE.fullmatch(device) and not topic.startswith(b"line/%b/" % device):
            self.deny(device, reason, topic)

    def all(self) -> list[Words]:
        return self.words + [
            Words(_sentence(device, reason, topic), reason, times)
            for (device, reason), (topic, times) in self.denied.items()
        ]


def _sentence(device: bytes, reason: Reason, topic: bytes) -> str:
    verb = "subscribe" if reason is Reason.FOREIGN_SUBSCRIPTION else "publish"
    known = _OF_THE_PROTOCOL.fullmatch(topic) is not None
    where = topic.decode() if known else "a topic that the protocol does not have"
    return f"device={device.decode()} may not {verb} to {where}"


def listen(rest: bytes, chunk: bytes) -> tuple[list[Words], bytes]:
    """Return what ``chunk`` says that is worth a person's time, and the ``rest`` of the next.

    ``rest`` is what the call before returned, at first empty.
    """
    *lines, rest = (rest + chunk).split(b"\n")
    found = _Found()
    above = b""
    for line in lines:
        if line.startswith(_EACH_MESSAGE):
            continue
        if line.startswith(_BELOW):
            found.asked(above, line.removeprefix(_BELOW))
            continue
        above = above + b"\n" + line if line.startswith(_WILL) else line
        if line.startswith(_NOW_AND_THEN) or found.published(line):
            continue
        if (words := heard(line.decode("utf-8", "replace"))) is not None:
            found.words.append(words)
    if len(rest) > LINE_BYTES_MAX:
        rest = b""
    if above.startswith((_SUBSCRIBE, _CONNECTED)):
        rest = above + b"\n" + rest  # what it announces may follow; by itself it says nothing
    return found.all(), rest
