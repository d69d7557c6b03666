"""Secrets wrapped to the company's offline recovery key (adapter: draws an ephemeral key).

The gateway holds only the public half: it can wrap, and never unwrap. Construction:
ECDH on P-256 with an ephemeral key, HKDF-SHA256 to key and nonce, AES-256-GCM. All fields
of the envelope but the sealed bytes are bound as HKDF information and as associated data,
so an envelope passes neither for another purpose nor for another site.
"""

import hashlib
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.identity import keys
from gateway.identity.limits import ENVELOPE_BYTES_MAX
from gateway.identity.secret import Secret
from gateway.model.errors import OperatorFaultError

SITE_CA_KEY = "site-ca-key"  # a purpose; envelopes outlive releases, so it is spelled for ever

_KEY_BYTES = 32
_NONCE_BYTES = 12


class EnvelopeError(OperatorFaultError):
    """An envelope cannot be opened; the message says whether key, purpose or content is wrong."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What everybody may see of an envelope, and nobody may change."""

    v: Literal[1]
    suite: Literal["ECDH-P256+HKDF-SHA256+AES-256-GCM"]
    purpose: Annotated[str, msgspec.Meta(max_length=64)]
    site: Annotated[str, msgspec.Meta(max_length=63)]
    recipient: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """SHA-256 of the recovery key's SubjectPublicKeyInfo, hexadecimal."""
    ephemeral: bytes
    """Uncompressed point of the ephemeral key."""


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of a ``*.wrapped.json``; bytes are base64."""

    header: Header
    sealed: bytes


def key_id(public_key: ec.EllipticCurvePublicKey) -> str:
    """Return the name of a recovery key: SHA-256 of its SubjectPublicKeyInfo, hexadecimal."""
    return hashlib.sha256(
        public_key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).hexdigest()


def wrap(secret: Secret, recipient: ec.EllipticCurvePublicKey, *, purpose: str, site: str) -> bytes:
    """Return the JSON envelope that only the private half of ``recipient`` opens.

    Privacy: key and nonce come from an ephemeral key that is drawn here and forgotten, so
    the nonce is never used twice and the gateway cannot open its own envelopes.
    """
    ephemeral = keys.draw()
    header = Header(
        v=1,
        suite="ECDH-P256+HKDF-SHA256+AES-256-GCM",
        purpose=purpose,
        site=site,
        recipient=key_id(recipient),
        ephemeral=ephemeral.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        ),
    )
    bound = msgspec.json.encode(header)
    key, nonce = _derive(ephemeral.exchange(ec.ECDH(), recipient), bound)
    sealed = AESGCM(key).encrypt(nonce, secret.reveal(), bound)
    return msgspec.json.encode(Envelope(header, sealed)) + b"\n"


def unwrap(
    envelope: bytes, private_key: ec.EllipticCurvePrivateKey, *, purpose: str, site: str
) -> Secret:
    """Return the secret in ``envelope``.

    Raises:
        EnvelopeError: it is malformed, made for another key, purpose or site, or was changed.
    """
    if len(envelope) > ENVELOPE_BYTES_MAX:
        msg = f"the envelope has {len(envelope)} bytes: at most {ENVELOPE_BYTES_MAX} are read"
        raise EnvelopeError(msg)
    try:
        parsed = msgspec.json.decode(envelope, type=Envelope)
        ephemeral = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), parsed.header.ephemeral
        )
    except ValueError as error:  # msgspec's errors are ValueErrors too
        msg = f"this is no envelope of version 1: {error}"
        raise EnvelopeError(msg) from error
    header = parsed.header
    mine = key_id(private_key.public_key())
    if header.recipient != mine:
        msg = f"the envelope is for recovery key {header.recipient[:16]}, this is {mine[:16]}"
        raise EnvelopeError(msg)
    if (header.purpose, header.site) != (purpose, site):
        msg = (
            f"the envelope holds {header.purpose!r} of site {header.site!r}, "
            f"not {purpose!r} of site {site!r}"
        )
        raise EnvelopeError(msg)
    # Encoded again, not cut out of the text: what is checked is what was parsed.
    bound = msgspec.json.encode(header)
    key, nonce = _derive(private_key.exchange(ec.ECDH(), ephemeral), bound)
    try:
        return Secret(AESGCM(key).decrypt(nonce, parsed.sealed, bound))
    except (InvalidTag, ValueError) as error:
        msg = "the envelope was changed or cut: fetch another copy"
        raise EnvelopeError(msg) from error


def _derive(shared: bytes, bound: bytes) -> tuple[bytes, bytes]:
    """Return key and nonce. The header in ``bound`` names both public keys."""
    hkdf = HKDF(
        hashes.SHA256(),
        _KEY_BYTES + _NONCE_BYTES,
        salt=None,
        info=b"site-gateway recovery\0" + bound,
    )
    material = hkdf.derive(shared)
    return material[:_KEY_BYTES], material[_KEY_BYTES:]
