"""The company's keys and certificates, as the stand-in needs them: files in one folder.

A CA, the receiver's server certificate, the client certificate that a gateway uploads
with (its common name is the site's name), and the recovery key to which a gateway wraps
its secrets. For development and tests only: a real company's CA key lies beside no
receiver, and the private half of its recovery key in a safe.
"""

import ipaddress
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS: Final = 3650
LEAF_DAYS: Final = 825
RENEW_BEFORE: Final = timedelta(days=30)
"""A certificate that ends sooner is made anew: a checkout may rest for a year."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SERVER_NAMES: Final[list[x509.GeneralName]] = [
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
    x509.IPAddress(ipaddress.IPv6Address("::1")),
]


class Wanted(NamedTuple):
    """What a leaf certificate says: its common name, its use, and in how many days it ends."""

    name: str
    usage: x509.ObjectIdentifier
    days: int
    address: Address | None = None


def ensure(
    folder: Path,
    site: str,
    now: datetime,
    client_days: int | None = None,
    address: Address | None = None,
) -> list[str]:
    """Make what is missing, of another site or about to expire; return the files that were written.

    With ``client_days`` the client certificate is made anew in any case and ends that many
    days after ``now``; a negative number makes one that has expired.

    ``address`` is one that the server has beside those of loopback.

    Files: ``ca.pem ca-key.pem server-cert.pem server-key.pem gateway-cert.pem
    gateway-key.pem recovery-key.pem recovery-public.pem``.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    ca_key = _key(folder / "ca-key.pem", made)
    ca = _load(folder / "ca.pem")
    if ca is None or not _serves(ca, ca_key, now):
        ca = _issue_ca(ca_key, now)
        _write(folder / "ca.pem", _pem(ca), made)
    authority = (ca, ca_key)

    server = Wanted("localhost", ExtendedKeyUsageOID.SERVER_AUTH, LEAF_DAYS, address)
    key = _key(folder / "server-key.pem", made)
    old = _load(folder / "server-cert.pem")
    if old is None or not _serves(old, key, now) or not _issued_by(old, ca):
        new = _issue(authority, key, server, now)
        _write(folder / "server-cert.pem", _pem(new), made)

    days = LEAF_DAYS if client_days is None else client_days
    client = Wanted(site, ExtendedKeyUsageOID.CLIENT_AUTH, days)
    key = _key(folder / "gateway-key.pem", made)
    old = _load(folder / "gateway-cert.pem")
    fits = (
        old is not None
        and common_name(old) == site
        and _serves(old, key, now)
        and _issued_by(old, ca)
    )
    if client_days is not None or not fits:
        new = _issue(authority, key, client, now)
        _write(folder / "gateway-cert.pem", _pem(new), made)

    public = _public_pem(_key(folder / "recovery-key.pem", made))
    if _content(folder / "recovery-public.pem") != public:
        _write(folder / "recovery-public.pem", public, made)
    return made


def common_name(certificate: x509.Certificate) -> str:
    """Return the subject's common name, or nothing when it has none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _serves(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, now: datetime) -> bool:
    return (
        certificate.public_key() == key.public_key()
        and certificate.not_valid_after_utc > now + RENEW_BEFORE
    )


def _issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _issue_ca(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Cloud stand-in CA")])
    return (
        _draft(name, name, key.public_key(), now, now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def _issue(
    authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    key: ec.EllipticCurvePrivateKey,
    wanted: Wanted,
    now: datetime,
) -> x509.Certificate:
    ca, ca_key = authority
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.name)])
    ends = now + timedelta(days=wanted.days)
    draft = (
        _draft(ca.subject, subject, key.public_key(), now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([wanted.usage]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
    )
    if wanted.usage == ExtendedKeyUsageOID.SERVER_AUTH:
        own = [] if wanted.address is None else [x509.IPAddress(wanted.address)]
        names = x509.SubjectAlternativeName([*SERVER_NAMES, *own])
        draft = draft.add_extension(names, critical=False)
    return draft.sign(ca_key, hashes.SHA256())


def _draft(
    issuer: x509.Name,
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    # An hour of grace for clocks; earlier still where the end lies in the past.
    begins = min(now - timedelta(hours=1), ends - timedelta(hours=1))
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key(path: Path, made: list[str]) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        new = ec.generate_private_key(ec.SECP256R1())
        text = new.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write(path, text, made)
        return new
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        msg = f"{path}: not an elliptic-curve key; remove it and run init again"
        raise TypeError(msg)
    return key


def _load(path: Path) -> x509.Certificate | None:
    text = _content(path)
    return None if text is None else x509.load_pem_x509_certificate(text)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes, made: list[str]) -> None:
    """Write a file that only its owner reads; a crash leaves the old file or none."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.touch(0o600)
    draft.write_bytes(content)
    draft.replace(path)
    made.append(path.name)
