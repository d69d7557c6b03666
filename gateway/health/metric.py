"""What the gateway tells Prometheus: every family with its kind, labels and words. Pure.

Names are spelled for ever, as other programs alarm on them; ``docs/metrics.md`` lists them and
a test compares. Labels take their values from closed sets (classes, outcomes, reasons, device
ids of the inventory), so the number of series is bounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

PREFIX: Final = "site_gateway_"


class Kind(Enum):
    """How a family is to be read."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric, without ``PREFIX``; the values of a sample follow the order of ``labels``."""

    name: str
    kind: Kind
    words: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a family."""

    family: Family
    labels: tuple[str, ...]
    value: float


def _gauge(name: str, words: str, *labels: str) -> Family:
    return Family(name, Kind.GAUGE, words, labels)


def _counter(name: str, words: str, *labels: str) -> Family:
    return Family(name, Kind.COUNTER, words, labels)


QUEUE_LENGTH: Final = _gauge(
    "queue_length", "Messages that wait in the queue, sealed ones too.", "class"
)
QUEUE_BYTES: Final = _gauge("queue_bytes", "Payload bytes of those messages.", "class")
OLDEST_AGE: Final = _gauge(
    "oldest_message_age_seconds", "Age of the oldest message that waits; 0 if none.", "class"
)
ENDED: Final = _counter(
    "messages_ended_total", "Messages with their one outcome.", "class", "outcome"
)
DROPPED: Final = _counter(
    "messages_dropped_total", "Messages that ended without delivery, and why.", "class", "reason"
)
HORIZON: Final = _gauge(
    "horizon_seconds", "Outage that the queue survives from now on; absent if no end.", "class"
)
DEVICES: Final = _gauge("devices", "Enrolled devices by state.", "state")
OFFLINE: Final = _counter("offline_seconds_total", "Time without an answer from the cloud.")
UPLINK: Final = _gauge("uplink_state", "1 for the state that the uplink is in, else 0.", "state")
PARKED: Final = _gauge("uplink_parked_batches", "Batches that the cloud refused for good.")
BROKER: Final = _gauge("broker_state", "1 for the state that the broker is in, else 0.", "state")
PROBLEMS: Final = _gauge(
    "problems", "Problems that stand, by code and severity.", "code", "severity"
)
FREE: Final = _gauge("available_disk_space_bytes", "Free bytes of the state's file system.")
WEAR: Final = _counter(
    "written_bytes_total", "Bytes that gateway and broker have written to the disk."
)
CLOCK: Final = _gauge(
    "clock_offset_seconds", "Site time minus wall clock; far from 0: the wall clock stepped."
)
BUILD: Final = _gauge("build_info", "Always 1; the release stands in the label.", "version")
STORED: Final = _counter("messages_received_total", "Messages stored and receipted.")
DUPLICATES: Final = _counter("messages_duplicate_total", "Resends that were suppressed.")
REFUSED: Final = _counter(
    "messages_refused_total", "Messages refused at the door, and why.", "reason"
)
DECLARED: Final = _counter(
    "messages_declared_lost_total", "Messages that devices say they no longer have."
)
BATCHES: Final = _counter("uplink_batches_total", "Batches sent, by what came of it.", "answer")
ROWS: Final = _counter("uplink_rows_total", "Rows delivered to the cloud.", "class")
BYTES: Final = _counter("uplink_bytes_total", "Bytes of batches delivered to the cloud.")
BROKER_REFUSED: Final = _counter(
    "broker_refused_total", "What the broker refused, as it says in its log.", "reason"
)

HELD_BACK: Final = _counter(
    "messages_held_back_total", "Messages for which there was no room; devices keep them.", "stream"
)
OVER_SHARE: Final = _counter(
    "messages_over_share_total", "Messages beyond the share of a noisy device, not read."
)
AT_MOST_ONCE: Final = _counter(
    "messages_qos0_total", "Messages sent with QoS 0 where the protocol says QoS 1."
)
PICTURES: Final = _counter(
    "pictures_kept_total", "Pictures of alerts that stayed on the site, and why.", "reason"
)
RESENT: Final = _counter("uplink_resent_total", "Tries with a batch that had been sent before.")

COUNTED: Final[Mapping[str, Family]] = {
    "messages_stored_total": STORED,
    "messages_duplicate_total": DUPLICATES,
    "messages_refused_total": REFUSED,
    "messages_declared_lost_total": DECLARED,
    "uplink_batches_total": BATCHES,
    "uplink_rows_total": ROWS,
    "uplink_bytes_total": BYTES,
    "broker_refused_total": BROKER_REFUSED,
    "messages_held_back_total": HELD_BACK,
    "messages_over_share_total": OVER_SHARE,
    "messages_qos0_total": AT_MOST_ONCE,
    "pictures_kept_total": PICTURES,
    "uplink_resent_total": RESENT,
}
"""The running counters of the services, and the family that each is told as."""
