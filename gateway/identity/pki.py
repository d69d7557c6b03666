"""The folder ``pki`` of a site's state: CA, server certificate, recovery key (adapter: disk).

ca-cert.pem            what devices trust
ca-key.pem             0600
ca-key.wrapped.json    the same key, for the holder of the recovery key only
recovery-public.pem    to wrap later secrets and backups to
server-cert.pem        for the broker and the gateway's own servers
server-key.pem         0600
"""

import shutil
import tempfile
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.identity import keys, recovery
from gateway.identity.authority import Authority, AuthorityError, make_site_authority
from gateway.identity.files import PUBLIC_FILE, FileAccessError, sync_folder, write_whole
from gateway.identity.names import Permitted, ServerNames
from gateway.identity.validity import Renewal, ServerCertificate, needs_renewal
from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.model.time import UnixMs

FOLDER: Final = "pki"
CA_CERTIFICATE: Final = "ca-cert.pem"
CA_KEY: Final = "ca-key.pem"
CA_KEY_WRAPPED: Final = "ca-key.wrapped.json"
RECOVERY_PUBLIC: Final = "recovery-public.pem"
SERVER_CERTIFICATE: Final = "server-cert.pem"
SERVER_KEY: Final = "server-key.pem"

RECOVERY_PRIVATE_FILE: Final = "recovery-key.private.pem"
"""Beside ``gateway.toml`` until somebody moves it to the safe."""

_UNFINISHED: Final = ".pki-"


class SiteExistsError(RefusedError):
    """A site CA is already there. It is never overwritten: its devices trust it."""


@dataclass(frozen=True, slots=True)
class NewSite:
    """What a new site is made of."""

    name: str
    permitted: Permitted
    server_names: ServerNames
    recovery_key: ec.EllipticCurvePublicKey


def create(state_folder: Path, site: NewSite, now: UnixMs) -> Authority:
    """Make the folder ``pki`` in ``state_folder`` with a new CA and a server certificate.

    Crash: the folder is there whole or not at all; what a dead run left is removed here.

    Raises:
        SiteExistsError: the folder exists.
        OSError: the disk refused; nothing is left behind.
    """
    folder = state_folder / FOLDER
    if folder.exists():
        msg = (
            f"{folder} already holds a site CA, and the devices of that site trust it: use that "
            "site, or choose another --state-dir; after an init that was cut short, "
            f"move {folder} away first"
        )
        raise SiteExistsError(msg)
    for left in state_folder.glob(_UNFINISHED + "*"):
        shutil.rmtree(left)
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=state_folder))  # mode 0700
    try:
        authority = make_site_authority(site.name, site.permitted, now)
        secret = keys.to_pem(authority.key)
        keys.write(unfinished / CA_KEY, secret)
        wrapped = recovery.wrap(
            secret, site.recovery_key, purpose=recovery.SITE_CA_KEY, site=site.name
        )
        write_whole(unfinished / CA_KEY_WRAPPED, wrapped, PUBLIC_FILE)
        write_whole(unfinished / RECOVERY_PUBLIC, keys.public_pem(site.recovery_key), PUBLIC_FILE)
        write_whole(unfinished / CA_CERTIFICATE, authority.certificate_pem(), PUBLIC_FILE)
        _issue_server(unfinished, authority, site.server_names, now)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    sync_folder(state_folder)
    return authority


def load_authority(folder: Path) -> Authority:
    """Return the site CA in ``folder``.

    Raises:
        OperatorFaultError: a file is absent, unreadable, too open, or does not fit the other.
    """
    try:
        key = keys.read(folder / CA_KEY)
        return Authority.of((folder / CA_CERTIFICATE).read_bytes(), key)
    except OSError as error:
        msg = f"{error.filename}: {error.strerror}; make the site with 'site-gateway init', or "
        raise AuthorityError(msg + "restore its state folder") from error


def recovery_key(folder: Path) -> ec.EllipticCurvePublicKey:
    """Return the public half of the recovery key.

    Raises:
        OperatorFaultError: the file is absent or holds no such key.
    """
    path = folder / RECOVERY_PUBLIC
    try:
        pem = path.read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror}; put the company's public recovery key there"
        raise OperatorFaultError(msg) from error
    return keys.recovery_public_key(pem, str(path))


def keep_server_certificate(
    folder: Path, authority: Authority, wanted: ServerNames, now: UnixMs
) -> Renewal | None:
    """Renew the server certificate when it must be, and return why.

    Crash: between key and certificate, the next start finds that they do not belong
    together and issues both again. Call it before the broker reads them.

    Raises:
        AuthorityError: the clock or an address forbids what is needed.
    """
    why = needs_renewal(server_certificate(folder, authority), wanted, now)
    if why is not None:
        _issue_server(folder, authority, wanted, now)
    return why


def server_certificate(folder: Path, authority: Authority) -> ServerCertificate | None:
    """Return what is known of the server certificate in ``folder``, None when it is unreadable.

    Raises:
        FileAccessError: other users may read its key.
    """
    try:
        certificate = x509.load_pem_x509_certificate((folder / SERVER_CERTIFICATE).read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        key = keys.read(folder / SERVER_KEY)
    except FileAccessError:
        raise
    except (OSError, ValueError, x509.ExtensionNotFound, OperatorFaultError):
        return None
    return ServerCertificate(
        not_before=_unix_ms(certificate.not_valid_before_utc.timestamp()),
        not_after=_unix_ms(certificate.not_valid_after_utc.timestamp()),
        names=ServerNames(
            tuple(
                ip
                for ip in names.get_values_for_type(x509.IPAddress)
                if isinstance(ip, IPv4Address | IPv6Address)
            ),
            tuple(names.get_values_for_type(x509.DNSName)),
        ),
        belongs=certificate.public_key() == key.public_key() and authority.signed(certificate),
    )


def _issue_server(folder: Path, authority: Authority, names: ServerNames, now: UnixMs) -> None:
    key = keys.draw()
    certificate = authority.issue_server(key.public_key(), names, now)
    keys.write(folder / SERVER_KEY, keys.to_pem(key))
    write_whole(
        folder / SERVER_CERTIFICATE,
        certificate.public_bytes(serialization.Encoding.PEM),
        PUBLIC_FILE,
    )


def _unix_ms(seconds: float) -> UnixMs:
    return UnixMs(int(seconds) * 1000)
