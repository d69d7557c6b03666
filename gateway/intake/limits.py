"""The ``[intake]`` section: what devices may send, and how long a commit may gather."""

from typing import Annotated

import msgspec


class IntakeLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the intake."""

    window: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 50
    """Messages that a device may have under way without a receipt."""
    max_devices: Annotated[int, msgspec.Meta(ge=1, le=500)] = 500
    """Devices of this site; one gateway serves up to 500."""
    planned_message_bytes: Annotated[int, msgspec.Meta(ge=64, le=262_144)] = 2_048
    """The usual size of a message, for sizing the broker's queue."""
    alert_linger_ms: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    """An alert waits at most so long for companions of its commit."""
    data_linger_ms: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 250
    """Data waits at most so long, so that flash is not worn by small commits."""
    commit_messages: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 500
    """So many messages are committed at once, without waiting for more."""
    dead_letters_max: Annotated[int, msgspec.Meta(ge=10, le=1_000_000)] = 10_000
    """Dead letters kept for inspection; the oldest go first."""
    dead_letters_a_device_max: Annotated[int, msgspec.Meta(ge=10, le=1_000_000)] = 1_000
    """Of these, kept of one device: rubbish from one does not push out the letters of others."""
    dead_letters_kept_h: Annotated[int, msgspec.Meta(ge=1, le=8_784)] = 720
    """No dead letter is kept for longer, as no contract says how long it would be."""
    dead_letter_payload_bytes: Annotated[int, msgspec.Meta(ge=0, le=65_536)] = 2_048
    """How much of a refused payload is kept with it."""
    device_messages_per_s: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20
    """What each device may send in the long run; an hour's worth may come at once."""
    device_bytes_per_s: Annotated[int, msgspec.Meta(ge=1_024, le=67_108_864)] = 65_536
    """The same in bytes of payload."""
    noisy_after_s: Annotated[int, msgspec.Meta(ge=2, le=600)] = 10
    """A device that goes far beyond that for so long is cut off for a while."""
    noisy_first_s: Annotated[int, msgspec.Meta(ge=5, le=86_400)] = 60
    """For how long, the first time; each further time twice as long."""
    noisy_most_s: Annotated[int, msgspec.Meta(ge=5, le=604_800)] = 3_600
    """The longest time."""
