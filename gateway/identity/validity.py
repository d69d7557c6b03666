"""When the server certificate must be renewed, and what expires soon. Pure."""

from dataclasses import dataclass
from enum import Enum

from gateway.identity.names import ServerNames
from gateway.model.time import UnixMs


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What the decision needs to know of the server certificate on disk."""

    not_before: UnixMs
    not_after: UnixMs
    names: ServerNames
    belongs: bool
    """It fits the private key beside it and the site CA signed it."""


class Renewal(Enum):
    """Why a new server certificate is issued; the value is for the log."""

    MISSING = "there is no server certificate"
    FOREIGN = "the server certificate does not belong to the key or CA beside it"
    EXPIRES = "less than a third of the server certificate's life is left"
    NAMES = "the addresses of the site changed"


def needs_renewal(
    certificate: ServerCertificate | None, wanted: ServerNames, now: UnixMs
) -> Renewal | None:
    """Return why the server certificate must be issued anew, or None to keep it.

    A certificate from the future is kept: then the clock is wrong (no battery, 1970), and
    what is issued at a wrong time is worth less than what is there.
    """
    if certificate is None:
        return Renewal.MISSING
    if not certificate.belongs:
        return Renewal.FOREIGN
    if now < certificate.not_before:
        return None
    life = certificate.not_after - certificate.not_before
    if (certificate.not_after - now) * 3 < life:
        return Renewal.EXPIRES
    if certificate.names != wanted:
        return Renewal.NAMES
    return None
