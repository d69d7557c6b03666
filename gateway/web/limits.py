"""The ``[web]`` section of gateway.toml, and what one page may show at most."""

from typing import Annotated, Final

import msgspec

ALERTS_SHOWN_MAX: Final = 8
GAPS_SHOWN_MAX: Final = 6
SUBJECTS_NAMED_MAX: Final = 5
"""Devices named in one problem; the others are counted."""
DETAILS_SHOWN_MAX: Final = 3
TEXT_MAX_CHARS: Final = 120
"""Texts that a device wrote are cut after this; the API serves them whole."""
DEVICES_OPEN_MAX: Final = 12
"""Up to this many devices are all shown unfolded, and need no search box."""
PICTURE_MAX_BYTES: Final = 262_144


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[web]``. There is no address: the page listens on loopback until it has a login."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 8444
    """Where the status page is, on 127.0.0.1."""
    viewers_max: Annotated[int, msgspec.Meta(ge=1, le=256)] = 32
    """Open pages that update by themselves; one more is told so with a 503."""
    push_gap_ms: Annotated[int, msgspec.Meta(ge=50, le=2_000)] = 150
    """Pause between a change and its push; changes inside it travel together."""
