"""From a certificate request to a device of this site. Pure.

Checked in this order: (1) size and form of the request, (2) the key is on curve P-256,
(3) the request is signed with that key, (4) the id is free for a device. The names in the
request count for nothing: the operator who calls says which device this is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.identity.inventory import Device
from gateway.identity.limits import REQUEST_BYTES_MAX
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs

Trust = Literal["attested", "key-only"]

# A device of this name would bear the gateway's own DNS name.
RESERVED_IDS: Final = frozenset({"gateway"})


Issue = Callable[[ec.EllipticCurvePublicKey, DeviceId, UnixMs], x509.Certificate]
"""Make a client certificate for a device; ``Authority.issue_device`` does."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who asks to join, as the operator says; the profile and its trust as fleet knows them."""

    id: DeviceId
    profile: str
    trust: Trust


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A device ready for the inventory. Hand out the certificate only once it is stored there."""

    device: Device
    certificate_pem: bytes


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """The request proves nothing; ``reason`` is a sentence for whoever made it."""

    reason: str


def first_access(trust: Trust) -> Access:
    """Return the access of a device that was just enrolled.

    Trust: where the profile demands attestation, a certificate alone never admits.
    """
    match trust:
        case "attested":
            return Access.PROVISIONAL
        case "key-only":
            return Access.ADMITTED


def enrol(
    csr_pem: bytes, candidate: Candidate, now: UnixMs, issue: Issue
) -> Enrolled | RequestRefused:
    """Return the device with its certificate, or why the request is refused.

    Crash: nothing is stored here. The caller adds the device to the inventory first and
    answers with the certificate afterwards, so no unknown device ever holds one.

    Trust: the caller has authenticated the operator; the request's subject, names and
    extensions are ignored.
    """
    key = _proven_key(csr_pem)
    if isinstance(key, RequestRefused):
        return key
    if candidate.id in RESERVED_IDS:  # 4
        return RequestRefused(f"{candidate.id!r} names the gateway itself: choose another id")
    certificate = issue(key, candidate.id, now)
    return Enrolled(
        Device(
            id=candidate.id,
            profile=candidate.profile,
            access=first_access(candidate.trust),
            serial=f"{certificate.serial_number:x}",
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
            not_after=UnixMs(int(certificate.not_valid_after_utc.timestamp()) * 1000),
            added=now,
        ),
        certificate.public_bytes(serialization.Encoding.PEM),
    )


def _proven_key(csr_pem: bytes) -> ec.EllipticCurvePublicKey | RequestRefused:
    if len(csr_pem) > REQUEST_BYTES_MAX:  # 1
        return RequestRefused(
            f"the request has {len(csr_pem)} bytes: at most {REQUEST_BYTES_MAX} are read"
        )
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return RequestRefused("the request is no PEM certificate request (PKCS #10)")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return RequestRefused("the request's key is not on curve P-256: make an EC P-256 key")  # 2
    try:  # 3
        proven = request.is_signature_valid
    except (UnsupportedAlgorithm, ValueError):
        proven = False
    if not proven:
        return RequestRefused("the request is not signed with the key it names: make it again")
    return key
