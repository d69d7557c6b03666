"""Is the gateway's own certificate one that the cloud can accept today?

Asked before each connection. In TLS 1.3 the cloud's refusal comes after the handshake and
is often lost with the connection, so an expired certificate would look like a bad network.
"""

from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from gateway.model.time import UnixMs

_MINUTE: Final = "%Y-%m-%d %H:%M UTC"


def fault(pem: bytes, wall: UnixMs) -> str | None:
    """Return what keeps this client certificate from being accepted at ``wall``, if anything.

    The text is for the platform team. None does not mean that the cloud accepts it: it may
    know the certificate's CA no longer, or have revoked it.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        return f"the client certificate cannot be read: {error}"
    now = datetime.fromtimestamp(wall / 1000, UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        return (
            f"the client certificate expired on {ends.strftime(_MINUTE)} "
            f"(the clock here says {now.strftime(_MINUTE)}): put a new one in place"
        )
    if now < begins:
        return (
            f"the client certificate begins on {begins.strftime(_MINUTE)}, "
            f"but the clock here says {now.strftime(_MINUTE)}: check the clock"
        )
    return None
