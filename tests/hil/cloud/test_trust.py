"""Who may upload at all: decided in the handshake, before a byte of a request is read."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from hil.cloud import pki
from tests.hil.cloud.stand_in import SITE, Cloud, document, sealed


def refusal_of(cloud: Cloud, context: ssl.SSLContext) -> ssl.SSLError:
    """Connect and listen; return how the receiver ended it."""
    # In TLS 1.3 the client ends its handshake first: the refusal is what it reads next.
    with (
        pytest.raises(ssl.SSLError) as caught,
        socket.create_connection(("127.0.0.1", cloud.serving.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as line,
    ):
        line.recv(1)
    return caught.value


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_certificate_is_refused_in_the_handshake(cloud: Cloud, version: ssl.TLSVersion) -> None:
    context = cloud.tls(certificate=False)
    context.minimum_version = context.maximum_version = version
    assert refusal_of(cloud, context).reason in {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
    }


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_expired_certificate_is_refused_in_the_handshake(
    own_cloud: Cloud, version: ssl.TLSVersion
) -> None:
    own_cloud.init("--client-days", "-1")
    own_cloud.start()
    context = own_cloud.tls()
    context.minimum_version = context.maximum_version = version
    assert refusal_of(own_cloud, context).reason == "SSLV3_ALERT_CERTIFICATE_EXPIRED"


def test_an_expired_certificate_keeps_no_batch_and_a_renewed_one_does(own_cloud: Cloud) -> None:
    own_cloud.init("--client-days", "-1")
    own_cloud.start()
    body = sealed(document())
    with pytest.raises(OSError, match=r"certificate expired|reset|Broken pipe|EOF"):
        own_cloud.send(body)
    assert own_cloud.ledger() == []
    own_cloud.init()
    assert own_cloud.send(body).status == 200


def test_a_certificate_of_another_ca_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    pki.ensure(tmp_path, SITE, datetime.now(UTC))
    context = cloud.tls(certificate=False)
    context.load_cert_chain(tmp_path / "gateway-cert.pem", tmp_path / "gateway-key.pem")
    assert "UNKNOWN_CA" in str(refusal_of(cloud, context).reason)


def test_the_servers_own_certificate_is_no_client_certificate(cloud: Cloud) -> None:
    context = cloud.tls(certificate=False)
    context.load_cert_chain(cloud.folder / "server-cert.pem", cloud.folder / "server-key.pem")
    assert "UNSUPPORTED_CERTIFICATE" in str(refusal_of(cloud, context).reason)


NOW = datetime(2030, 1, 1, tzinfo=UTC)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_making_the_keys_twice_changes_nothing(tmp_path: Path) -> None:
    assert len(pki.ensure(tmp_path, SITE, NOW)) == 8
    before = contents(tmp_path)
    assert pki.ensure(tmp_path, SITE, NOW) == []
    assert contents(tmp_path) == before


def test_keys_are_read_by_their_owner_only(tmp_path: Path) -> None:
    pki.ensure(tmp_path, SITE, NOW)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_what_a_crash_left_out_is_made_and_fits_the_rest(tmp_path: Path) -> None:
    pki.ensure(tmp_path, SITE, NOW)
    (tmp_path / "gateway-key.pem").unlink()
    assert pki.ensure(tmp_path, SITE, NOW) == ["gateway-key.pem", "gateway-cert.pem"]
    (tmp_path / "recovery-public.pem").unlink()
    assert pki.ensure(tmp_path, SITE, NOW) == ["recovery-public.pem"]
    (tmp_path / "ca-key.pem").unlink()
    made = pki.ensure(tmp_path, SITE, NOW)
    assert made == ["ca-key.pem", "ca.pem", "server-cert.pem", "gateway-cert.pem"]


def test_a_certificate_that_ends_within_a_month_is_renewed(tmp_path: Path) -> None:
    pki.ensure(tmp_path, SITE, NOW)
    later = NOW + timedelta(days=pki.LEAF_DAYS - 29)
    assert pki.ensure(tmp_path, SITE, later) == ["server-cert.pem", "gateway-cert.pem"]


def test_the_client_certificate_follows_the_name_of_the_site(tmp_path: Path) -> None:
    pki.ensure(tmp_path, SITE, NOW)
    assert pki.ensure(tmp_path, "plant-b", NOW) == ["gateway-cert.pem"]
    text = (tmp_path / "gateway-cert.pem").read_bytes()
    assert pki.common_name(x509.load_pem_x509_certificate(text)) == "plant-b"
