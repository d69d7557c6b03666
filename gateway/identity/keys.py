"""Private keys: drawn, encoded, kept in files (adapter: OpenSSL's generator and key files).

All keys are EC P-256: every TPM 2.0 and every micro controller's TLS library has it.
"""

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.identity.files import PRIVATE_FILE, read_private, write_whole
from gateway.identity.limits import KEY_FILE_BYTES_MAX
from gateway.identity.secret import Secret
from gateway.model.errors import OperatorFaultError


class KeyFormatError(OperatorFaultError):
    """A key is not what was expected; the message says what to give instead."""


def draw() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def to_pem(key: ec.EllipticCurvePrivateKey) -> Secret:
    """Return ``key`` as PKCS #8 PEM without a password."""
    return Secret(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return ``key`` as SubjectPublicKeyInfo PEM."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def certificate_request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """Return a PEM certificate request (PKCS #10) that proves possession of ``key``."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def from_pem(secret: Secret, what: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key in ``secret``; ``what`` names it in the message.

    Raises:
        KeyFormatError: it is no unencrypted P-256 private key in PEM.
    """
    try:
        key = serialization.load_pem_private_key(secret.reveal(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # from None: the cause may quote what it could not read
        msg = f"{what} is no unencrypted private key in PEM form: restore it from the backup"
        raise KeyFormatError(msg) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        msg = f"{what} is not on curve P-256: restore the key that belongs here"
        raise KeyFormatError(msg)
    return key


def recovery_public_key(pem: bytes, what: str) -> ec.EllipticCurvePublicKey:
    """Return the recovery key in ``pem``; ``what`` names it in the message.

    Raises:
        KeyFormatError: it is no P-256 public key in PEM, or is the private half.
    """
    if b"PRIVATE KEY-----" in pem:
        msg = (
            f"{what} is a private key, and that must never come to this machine: remove it here, "
            "and give the public half (openssl pkey -in private.pem -pubout -out public.pem)"
        )
        raise KeyFormatError(msg)
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        msg = f"{what} is no public key in PEM form ('-----BEGIN PUBLIC KEY-----')"
        raise KeyFormatError(msg) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        msg = (
            f"{what} is not on curve P-256: make a pair with openssl genpkey -algorithm EC "
            "-pkeyopt ec_paramgen_curve:P-256 -out private.pem"
        )
        raise KeyFormatError(msg)
    return key


def write(path: Path, secret: Secret) -> None:
    """Write ``secret`` to ``path`` with mode 0600, whole or not at all."""
    write_whole(path, secret.reveal(), PRIVATE_FILE)


def read(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in the file ``path``.

    Raises:
        FileAccessError: other users may read the file.
        KeyFormatError: it holds no P-256 key.
        OSError: it is absent or cannot be read.
    """
    return from_pem(Secret(read_private(path, KEY_FILE_BYTES_MAX)), str(path))
