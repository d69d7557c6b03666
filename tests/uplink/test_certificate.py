"""The client certificate is judged by its dates before anybody connects."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from gateway.model.time import UnixMs
from gateway.uplink.certificate import fault
from tests.support.tls_server import Authority


@pytest.fixture(scope="module")
def pem(tmp_path_factory) -> bytes:
    return Authority(tmp_path_factory.mktemp("ca")).client().certificate.read_bytes()


def wall(moment: datetime) -> UnixMs:
    return UnixMs(round(moment.timestamp() * 1000))


def ends(pem: bytes) -> datetime:
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def test_a_current_certificate_has_no_fault(pem):
    assert fault(pem, wall(ends(pem) - timedelta(days=1))) is None


def test_a_certificate_serves_to_its_last_second(pem):
    assert fault(pem, wall(ends(pem))) is None
    assert fault(pem, UnixMs(wall(ends(pem)) + 1)) is not None


def test_an_expired_certificate_is_named_with_both_times(pem):
    found = fault(pem, wall(ends(pem) + timedelta(days=2)))
    assert found is not None
    assert found.startswith(f"the client certificate expired on {ends(pem):%Y-%m-%d %H:%M} UTC")
    assert "put a new one in place" in found


def test_a_clock_in_1970_is_named_and_not_the_certificate_blamed(pem):
    found = fault(pem, wall(datetime(1970, 1, 2, tzinfo=UTC)))
    assert found is not None
    assert "the clock here says 1970-01-02 00:00 UTC: check the clock" in found


@pytest.mark.parametrize("text", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_that_is_no_certificate_is_named(text):
    found = fault(text, UnixMs(0))
    assert found is not None
    assert found.startswith("the client certificate cannot be read")
