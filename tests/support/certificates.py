"""A site CA made now, and real TLS programs that judge what it issues."""

import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.identity import keys
from gateway.identity.authority import Authority, make_site_authority
from gateway.identity.names import ip_network, permitted, server_names
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs

YEAR_MS = 365 * 86_400_000


def wall() -> UnixMs:
    return UnixMs(time.time_ns() // 1_000_000)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key as files, as TLS libraries want them."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Bench:
    """A site CA with a folder for its files."""

    authority: Authority
    folder: Path

    @property
    def ca(self) -> Path:
        path = self.folder / "ca.pem"
        path.write_bytes(self.authority.certificate_pem())
        return path

    def pair(
        self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> Pair:
        made = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        keys.write(made.key, keys.to_pem(key))
        return made

    def server(self, *addresses: str, now: UnixMs | None = None) -> Pair:
        key = keys.draw()
        names = server_names(self.authority.site, addresses or ("127.0.0.1",))
        certificate = self.authority.issue_server(key.public_key(), names, now or wall())
        return self.pair("server", certificate, key)

    def device(self, name: str = "cam-01", now: UnixMs | None = None) -> Pair:
        key = keys.draw()
        certificate = self.authority.issue_device(key.public_key(), DeviceId(name), now or wall())
        return self.pair(name, certificate, key)


def site_bench(folder: Path, site: str = "plant-a", now: UnixMs | None = None) -> Bench:
    folder.mkdir(exist_ok=True)
    networks = [ip_network("127.0.0.1")[1], ip_network("192.168.7.5/24")[1]]
    allowed = permitted(site, networks, ["gw.plant.example"])
    return Bench(make_site_authority(site, allowed, now or wall()), folder)


def openssl_verify(ca: Path, certificate: Path, *options: str) -> str:
    """Return what ``openssl verify`` says: "" when it accepts."""
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", *options, "-CAfile", ca, certificate],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def handshake(
    server: Pair, server_ca: Path, client: Pair | None, client_ca: Path, host: str
) -> str:
    """Run a mutual TLS handshake in memory; return the client's common name as seen.

    Raises ssl.SSLError of the side that refuses.
    """
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(server.certificate, server.key)
    there.load_verify_locations(server_ca)
    there.verify_mode = ssl.CERT_REQUIRED
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    here.verify_flags |= ssl.VERIFY_X509_STRICT
    here.load_verify_locations(client_ca)
    if client is not None:
        here.load_cert_chain(client.certificate, client.key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = here.wrap_bio(down, up, server_hostname=host)
    far = there.wrap_bio(up, down, server_side=True)
    waiting = [near, far]
    for _ in range(10):
        for side in tuple(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert waiting == []
    peer = x509.load_der_x509_certificate(far.getpeercert(binary_form=True) or b"")
    (name,) = peer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)
