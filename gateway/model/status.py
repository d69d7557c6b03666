"""What a device says of itself: ``up/status``, the level-triggered truth."""

from typing import Annotated, Literal

import msgspec

Word = Annotated[str, msgspec.Meta(max_length=128)]
Counter = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class Last(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The highest numbers that the device has given, in its current epoch."""

    epoch: Counter
    alert: Counter
    data: Counter


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is installed in one slot of the device."""

    slot: Word
    name: Word
    version: Word
    sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")]
    state: Word


class DeviceStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole payload. The last will is the same with ``state: offline``."""

    v: Literal[1]
    state: Literal["online", "offline"]
    profile: Word
    agent: Word
    boot: Annotated[str, msgspec.Meta(max_length=64)]
    synced: bool
    slots: Annotated[tuple[Slot, ...], msgspec.Meta(max_length=16)] = ()
    production: Literal["running", "stopped", "unknown"] = "unknown"
    desired_rev: Counter = 0
    last: Last
    time: int | None = None
