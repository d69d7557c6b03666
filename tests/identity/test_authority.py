"""What the site CA issues, as judged by OpenSSL, Python's TLS and cryptography's verifier."""

import dataclasses
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from gateway.identity import keys
from gateway.identity.authority import Authority, AuthorityError, make_site_authority
from gateway.identity.limits import SKEW_MS
from gateway.identity.names import Permitted, ip_network, permitted, server_names
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs
from tests.support.certificates import (
    YEAR_MS,
    Bench,
    handshake,
    openssl_verify,
    site_bench,
    wall,
)


def forged(bench: Bench, name: str, *bearer: x509.GeneralName, usage=None):
    """A certificate that a thief of the CA's key makes, past every check of ours."""
    key = keys.draw()
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(bench.authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.ExtendedKeyUsage([usage or ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(bench.authority.key.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if bearer:
        builder = builder.add_extension(x509.SubjectAlternativeName(bearer), critical=False)
    return bench.pair(name, builder.sign(bench.authority.key, hashes.SHA256()), key)


def test_openssl_accepts_root_server_and_device_in_strict_mode(bench):
    assert openssl_verify(bench.ca, bench.ca) == ""
    server = bench.server("127.0.0.1", "192.168.7.9", "gw.plant.example")
    for address in ("127.0.0.1", "192.168.7.9"):
        said = openssl_verify(
            bench.ca, server.certificate, "-purpose", "sslserver", "-verify_ip", address
        )
        assert said == ""
    for host in ("gw.plant.example", "gateway.plant-a.site-gateway.internal"):
        said = openssl_verify(
            bench.ca, server.certificate, "-purpose", "sslserver", "-verify_hostname", host
        )
        assert said == ""
    for device in ("cam-01", "7", "a-", "x" * 63):
        certificate = bench.device(device).certificate
        assert openssl_verify(bench.ca, certificate, "-purpose", "sslclient") == ""


def test_a_second_verifier_accepts_what_openssl_accepts(bench):
    roots = Store([bench.authority.certificate])
    server = x509.load_pem_x509_certificate(bench.server().certificate.read_bytes())
    name = x509.DNSName("gateway.plant-a.site-gateway.internal")
    PolicyBuilder().store(roots).build_server_verifier(name).verify(server, [])
    device = x509.load_pem_x509_certificate(bench.device().certificate.read_bytes())
    verified = PolicyBuilder().store(roots).build_client_verifier().verify(device, [])
    assert verified.subjects == [x509.DNSName("cam-01.plant-a.site-gateway.internal")]


def test_a_device_and_the_gateway_shake_hands_by_address_and_by_name(bench):
    server, device = bench.server(), bench.device()
    for host in ("127.0.0.1", "gateway.plant-a.site-gateway.internal"):
        assert handshake(server, bench.ca, device, bench.ca, host) == "cam-01"


def test_a_certificate_of_another_ca_is_refused_by_the_handshake(bench, tmp_path):
    # the other site even has the same name, so that only its key tells them apart
    stranger = site_bench(tmp_path / "other", "plant-a")
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        handshake(bench.server(), bench.ca, stranger.device(), bench.ca, "127.0.0.1")
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        handshake(stranger.server(), bench.ca, bench.device(), bench.ca, "127.0.0.1")


def test_no_certificate_is_refused_by_the_handshake(bench):
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(bench.server(), bench.ca, None, bench.ca, "127.0.0.1")


def test_a_device_refuses_a_gateway_at_an_address_that_is_not_in_its_certificate(bench):
    with pytest.raises(ssl.SSLError, match="IP address mismatch"):
        handshake(bench.server(), bench.ca, bench.device(), bench.ca, "127.0.0.2")


def test_a_device_cannot_pose_as_the_gateway_nor_the_gateway_as_a_device(bench):
    server, device = bench.server(), bench.device()
    with pytest.raises(ssl.SSLError, match=r"(unsuitable|unsupported) certificate purpose"):
        handshake(device, bench.ca, device, bench.ca, "cam-01.plant-a.site-gateway.internal")
    with pytest.raises(ssl.SSLError, match=r"(unsuitable|unsupported) certificate purpose"):
        handshake(server, bench.ca, server, bench.ca, "127.0.0.1")


def test_an_expired_device_certificate_is_refused_by_the_handshake(tmp_path):
    bench = site_bench(tmp_path / "old", now=UnixMs(wall() - 3 * YEAR_MS))
    late = bench.device("cam-02", now=UnixMs(wall() - 3 * YEAR_MS))
    with pytest.raises(ssl.SSLError, match="certificate has expired"):
        handshake(bench.server(), bench.ca, late, bench.ca, "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "bearer"),
    [
        ("cam-01", [x509.DNSName("cam-01.plant-b.site-gateway.internal")]),
        ("cam-01", [x509.DNSName("bank.example")]),
        # below the site's name in the alphabet, not in the tree
        ("cam-01", [x509.DNSName("evilplant-a.site-gateway.internal")]),
        # one good name does not excuse a bad one
        (
            "cam-01",
            [
                x509.DNSName("cam-01.plant-a.site-gateway.internal"),
                x509.DNSName("cam-01.plant-b.site-gateway.internal"),
            ],
        ),
        # no alternative name: a common name with a dot is judged as a host name
        ("bank.example", []),
    ],
)
def test_a_stolen_ca_key_cannot_name_another_site(bench, name, bearer):
    pair = forged(bench, name, *bearer)
    assert "permitted subtree violation" in openssl_verify(bench.ca, pair.certificate)
    with pytest.raises(ssl.SSLError, match="permitted subtree violation"):
        handshake(bench.server(), bench.ca, pair, bench.ca, "127.0.0.1")


@pytest.mark.parametrize("text", ["192.168.8.1", "10.0.0.1", "fd00::1"])
def test_a_stolen_ca_key_cannot_certify_an_address_outside_the_sites_networks(bench, text):
    address = x509.IPAddress(server_names("plant-a", [text]).ips[0])
    pair = forged(bench, "gateway", address, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    assert "permitted subtree violation" in openssl_verify(bench.ca, pair.certificate)


def test_a_site_without_addresses_can_certify_no_address_at_all(tmp_path):
    allowed = permitted("plant-a", [], ["gw.plant.example"])
    bench = Bench(make_site_authority("plant-a", allowed, wall()), tmp_path)
    assert openssl_verify(bench.ca, bench.server("gw.plant.example").certificate) == ""
    for text in ("127.0.0.1", "fd00::1"):
        address = x509.IPAddress(server_names("plant-a", [text]).ips[0])
        assert "excluded subtree violation" in openssl_verify(
            bench.ca, forged(bench, "gateway", address).certificate
        )


def test_a_stolen_device_key_cannot_issue(bench):
    device = bench.device()
    issuer = x509.load_pem_x509_certificate(device.certificate.read_bytes())
    fake = dataclasses.replace(bench.authority, certificate=issuer, key=keys.read(device.key))
    thief = Bench(fake, bench.folder / "thief")
    thief.folder.mkdir()
    child = forged(thief, "cam-09", x509.DNSName("cam-09.plant-a.site-gateway.internal"))
    said = openssl_verify(bench.ca, child.certificate, "-untrusted", str(device.certificate))
    assert "invalid CA certificate" in said


def test_the_root_may_not_have_a_ca_below_it(bench):
    constraints = bench.authority.certificate.extensions.get_extension_for_class(
        x509.BasicConstraints
    )
    assert constraints.critical
    assert constraints.value.ca
    assert constraints.value.path_length == 0


@pytest.mark.parametrize("kind", [x509.BasicConstraints, x509.KeyUsage, x509.NameConstraints])
def test_what_limits_the_root_is_critical(bench, kind):
    assert bench.authority.certificate.extensions.get_extension_for_class(kind).critical


def test_serial_numbers_are_random_positive_and_of_159_bits(bench):
    serials = {
        bench.authority.issue_device(
            keys.draw().public_key(), DeviceId("cam-01"), wall()
        ).serial_number
        for _ in range(64)
    }
    assert len(serials) == 64
    assert all(0 < serial < 2**159 for serial in serials)
    assert max(serials).bit_length() > 150


def test_certificates_begin_an_hour_early_for_clocks_that_are_slow(tmp_path):
    born = UnixMs(1_800_000_000_000)
    bench = site_bench(tmp_path / "site", now=born)
    later = UnixMs(born + YEAR_MS)
    certificate = bench.authority.issue_device(keys.draw().public_key(), DeviceId("a"), later)
    assert certificate.not_valid_before_utc.timestamp() * 1000 == later - SKEW_MS
    assert certificate.not_valid_after_utc.timestamp() * 1000 == later + 730 * 86_400_000


def test_a_clock_before_the_site_was_made_issues_nothing(bench):
    with pytest.raises(AuthorityError, match=r"the clock says 1970-01-01 .* set the clock"):
        bench.device(now=UnixMs(5_000))


def test_nothing_outlives_the_ca(tmp_path):
    bench = site_bench(tmp_path / "site", now=UnixMs(wall() - 19 * YEAR_MS - 300 * 86_400_000))
    device = x509.load_pem_x509_certificate(bench.device().certificate.read_bytes())
    assert device.not_valid_after_utc == bench.authority.certificate.not_valid_after_utc


def test_an_address_that_the_ca_may_not_certify_is_refused_with_the_way_out(bench):
    with pytest.raises(AuthorityError, match=r"may not certify 10\.1\.2\.3, other\.example"):
        bench.server("10.1.2.3", "other.example", "192.168.7.77")


def test_a_ca_reads_back_what_it_may_certify(bench):
    assert bench.authority.permitted() == Permitted(
        (ip_network("127.0.0.1/32")[1], ip_network("192.168.7.0/24")[1]),
        ("plant-a.site-gateway.internal", "gw.plant.example"),
    )


def test_a_certificate_and_a_key_that_do_not_belong_together_are_refused(bench):
    with pytest.raises(AuthorityError, match="do not belong together"):
        Authority.of(bench.authority.certificate_pem(), keys.draw())
    with pytest.raises(AuthorityError, match="cannot be read"):
        Authority.of(b"nonsense", keys.draw())
    read = Authority.of(bench.authority.certificate_pem(), bench.authority.key)
    assert read.site == "plant-a"


def test_the_repr_of_an_authority_shows_no_key(bench):
    pem = keys.to_pem(bench.authority.key).reveal()
    assert repr(bench.authority) == "Authority(plant-a)"
    assert pem.decode() not in f"{bench} {bench.authority}"
    assert bench.authority.certificate.public_bytes(serialization.Encoding.PEM) not in pem
