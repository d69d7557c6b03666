"""What a device may do: one table that broker roles, artifacts and data tags follow."""

from enum import Enum


class Access(Enum):
    """The access states of the device, stored and shown by value."""

    ADMITTED = "admitted"
    PROVISIONAL = "provisional"
    QUARANTINED = "quarantined"
    REVOKED = "revoked"


class Role(Enum):
    """What the broker lets a device do."""

    FULL = "full"
    QUARANTINED = "quarantined"
    NONE = "none"


def role(access: Access) -> Role:
    """Return the broker role that goes with an access state."""
    match access:
        case Access.ADMITTED | Access.PROVISIONAL:
            return Role.FULL  # no role change between the two, so no connection drops
        case Access.QUARANTINED:
            return Role.QUARANTINED
        case Access.REVOKED:
            return Role.NONE
