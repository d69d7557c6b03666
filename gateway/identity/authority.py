"""The site CA: a self-made root that certifies this site's names and nothing else.

Adapter: draws keys and serial numbers. The time is an argument, so that what is issued at
a wrong time can be refused here: a clock before the CA's birth issues nothing.
Profile: RFC 5280, strict; P-256 and SHA-256 throughout; 159-bit random serial numbers.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gateway.identity import keys
from gateway.identity.limits import DAY_MS, DEVICE_DAYS, SERVER_DAYS, SITE_CA_DAYS, SKEW_MS
from gateway.identity.names import Permitted, ServerNames, device_name, outside
from gateway.model.errors import OperatorFaultError
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs

GATEWAY_COMMON_NAME: Final = "gateway"
_ALL_ADDRESSES: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


class AuthorityError(OperatorFaultError):
    """The site CA cannot issue this, or its files do not belong together."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The site CA with its key. Its repr shows neither."""

    site: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return f"Authority({self.site})"

    @classmethod
    def of(cls, certificate_pem: bytes, key: ec.EllipticCurvePrivateKey) -> Self:
        """Return the CA of a certificate and its key.

        Raises:
            AuthorityError: they do not belong together, or this is no site CA.
        """
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            (organisation,) = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        except ValueError as error:
            msg = "the site CA's certificate cannot be read: restore it from the backup"
            raise AuthorityError(msg) from error
        if certificate.public_key() != key.public_key():
            msg = "the site CA's certificate and key do not belong together: restore both"
            raise AuthorityError(msg)
        return cls(str(organisation.value), certificate, key)

    def certificate_pem(self) -> bytes:
        """Return the CA certificate, which devices trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def not_after(self) -> UnixMs:
        """The end of the CA's life; nothing that it issues outlives it."""
        return UnixMs(int(self.certificate.not_valid_after_utc.timestamp()) * 1000)

    def permitted(self) -> Permitted:
        """Return what this CA may certify."""
        constraints = self.certificate.extensions.get_extension_for_class(x509.NameConstraints)
        trees = constraints.value.permitted_subtrees or []
        values = [tree.value for tree in trees if isinstance(tree, x509.IPAddress)]
        return Permitted(
            tuple(
                value
                for value in values
                if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network)
            ),
            tuple(tree.value for tree in trees if isinstance(tree, x509.DNSName)),
        )

    def issue_server(
        self, public_key: ec.EllipticCurvePublicKey, names: ServerNames, now: UnixMs
    ) -> x509.Certificate:
        """Return a certificate for the gateway's own servers, under all ``names``.

        Raises:
            AuthorityError: the clock is wrong, or a name lies outside what this CA may certify.
        """
        if beyond := outside(self.permitted(), names):
            msg = (
                f"the site CA may not certify {', '.join(beyond)}: devices would refuse it. Put "
                "the old address back in [site] addresses; a new network needs a new site CA, "
                "which 'site-gateway init' makes (docs/identity.md)"
            )
            raise AuthorityError(msg)
        bearer = x509.SubjectAlternativeName(
            [*(x509.IPAddress(ip) for ip in names.ips), *(x509.DNSName(dns) for dns in names.dns)]
        )
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        # The common name is a reserved device id: this certificate is no device's.
        return self._sign(public_key, GATEWAY_COMMON_NAME, bearer, usage, SERVER_DAYS, now)

    def issue_device(
        self, public_key: ec.EllipticCurvePublicKey, device: DeviceId, now: UnixMs
    ) -> x509.Certificate:
        """Return a client certificate whose common name is the device id.

        Raises:
            AuthorityError: the clock is wrong.
        """
        bearer = x509.SubjectAlternativeName([x509.DNSName(device_name(self.site, device))])
        return self._sign(
            public_key, device, bearer, ExtendedKeyUsageOID.CLIENT_AUTH, DEVICE_DAYS, now
        )

    def _sign(  # noqa: PLR0913, PLR0917  # a certificate has this many parts
        self,
        public_key: ec.EllipticCurvePublicKey,
        common_name: str,
        bearer: x509.SubjectAlternativeName,
        usage: ObjectIdentifier,
        days: int,
        now: UnixMs,
    ) -> x509.Certificate:
        begins, ends = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        moment = _moment(now)
        if not begins <= moment < ends:
            msg = (
                f"the clock says {moment:%Y-%m-%d %H:%M} UTC, and this site's CA is valid from "
                f"{begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d}: set the clock (timedatectl), "
                "then try again"
            )
            raise AuthorityError(msg)
        own_id = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(begins, _moment(now - SKEW_MS)))
            .not_valid_after(min(ends, _moment(now + days * DAY_MS)))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(issues=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(bearer, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id.value),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )

    def signed(self, certificate: x509.Certificate) -> bool:
        """Return whether this CA issued ``certificate``; says nothing about its dates."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def make_site_authority(site: str, allowed: Permitted, now: UnixMs) -> Authority:
    """Return a new root CA for ``site`` that may certify what ``allowed`` says.

    Trust: the constraints are critical, so software that does not understand them must
    refuse the CA rather than ignore them.
    """
    key = keys.draw()
    public_key = key.public_key()
    # Organisation, not common name: a site's name may fill the 64 characters alone.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, site),
            x509.NameAttribute(NameOID.COMMON_NAME, "site gateway CA"),
        ]
    )
    own_id = x509.SubjectKeyIdentifier.from_public_key(public_key)
    constraints = x509.NameConstraints(
        permitted_subtrees=[
            *(x509.DNSName(domain) for domain in allowed.dns),
            *(x509.IPAddress(network) for network in allowed.networks),
        ],
        # A kind of name that no permitted entry mentions is free (RFC 5280, 4.2.1.10).
        excluded_subtrees=None
        if allowed.networks
        else [x509.IPAddress(network) for network in _ALL_ADDRESSES],
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(now - SKEW_MS))
        .not_valid_after(_moment(now + SITE_CA_DAYS * DAY_MS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(issues=True), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(own_id, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return Authority(site, certificate, key)


def _key_usage(*, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issues,
        key_cert_sign=issues,
        crl_sign=issues,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _moment(at: int) -> datetime:
    """Return ``at`` (milliseconds since 1970) in whole seconds, as certificates count."""
    return datetime.fromtimestamp(at // 1000, UTC)
