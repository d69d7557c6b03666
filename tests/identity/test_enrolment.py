import sqlite3

import aiosqlite
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from gateway.identity import keys, store
from gateway.identity.enrolment import Candidate, Enrolled, RequestRefused, enrol
from gateway.identity.inventory import Addition, Device
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from tests.support.certificates import openssl_verify, wall


def request(key, name: str = "whoever") -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM)


def candidate(name: str = "cam-01", trust="key-only") -> Candidate:
    return Candidate(DeviceId(name), "factory-camera-v2", trust)


def enrolled(bench, name: str = "cam-01", key=None) -> Enrolled:
    made = enrol(request(key or keys.draw()), candidate(name), wall(), bench.authority.issue_device)
    assert isinstance(made, Enrolled)
    return made


def test_the_certificate_bears_the_operators_id_not_the_requests(bench):
    key = keys.draw()
    made = enrol(request(key, "pump-7"), candidate("cam-01"), wall(), bench.authority.issue_device)
    assert isinstance(made, Enrolled)
    certificate = x509.load_pem_x509_certificate(made.certificate_pem)
    assert certificate.subject.rfc4514_string() == "CN=cam-01"
    assert certificate.public_key() == key.public_key()
    assert made.device == Device(
        id=DeviceId("cam-01"),
        profile="factory-camera-v2",
        access=Access.ADMITTED,
        serial=f"{certificate.serial_number:x}",
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        not_after=made.device.not_after,
        added=made.device.added,
    )
    assert made.device.not_after == certificate.not_valid_after_utc.timestamp() * 1000
    (bench.folder / "cam.crt").write_bytes(made.certificate_pem)
    assert openssl_verify(bench.ca, bench.folder / "cam.crt", "-purpose", "sslclient") == ""


def test_a_request_for_extensions_is_not_granted(bench):
    key = keys.draw()
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    made = enrol(greedy, candidate(), wall(), bench.authority.issue_device)
    assert isinstance(made, Enrolled)
    extensions = x509.load_pem_x509_certificate(made.certificate_pem).extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["cam-01.plant-a.site-gateway.internal"]


def test_a_profile_that_demands_attestation_does_not_admit_by_certificate(bench):
    made = enrol(
        request(keys.draw()), candidate(trust="attested"), wall(), bench.authority.issue_device
    )
    assert isinstance(made, Enrolled)
    assert made.device.access is Access.PROVISIONAL


def refusal(bench, csr: bytes, name: str = "cam-01") -> str:
    answer = enrol(csr, candidate(name), wall(), bench.authority.issue_device)
    assert isinstance(answer, RequestRefused)
    return answer.reason


def test_a_request_signed_with_another_key_is_refused(bench):
    good = x509.load_pem_x509_csr(request(keys.draw())).public_bytes(serialization.Encoding.DER)
    # the key of another: its public point is put where ours was, the signature stays
    mine = x509.load_der_x509_csr(good).public_key()
    point = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    stolen = keys.draw().public_key().public_bytes(*point)
    assert isinstance(mine, ec.EllipticCurvePublicKey)
    swapped = good.replace(mine.public_bytes(*point), stolen)
    csr = x509.load_der_x509_csr(swapped).public_bytes(serialization.Encoding.PEM)
    assert refusal(bench, csr) == "the request is not signed with the key it names: make it again"


def test_a_request_signed_by_an_unknown_method_is_refused(bench):
    der = x509.load_pem_x509_csr(request(keys.draw())).public_bytes(serialization.Encoding.DER)
    ecdsa_with_sha256 = bytes.fromhex("06082a8648ce3d040302")
    assert der.count(ecdsa_with_sha256) == 1
    odd = der.replace(ecdsa_with_sha256, ecdsa_with_sha256[:-1] + b"\x09")
    csr = x509.load_der_x509_csr(odd).public_bytes(serialization.Encoding.PEM)
    assert refusal(bench, csr) == "the request is not signed with the key it names: make it again"


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ec.generate_private_key(ec.SECP256K1()),
        lambda: rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
)
def test_a_key_of_another_kind_is_refused(bench, make):
    assert refusal(bench, request(make())) == (
        "the request's key is not on curve P-256: make an EC P-256 key"
    )


@pytest.mark.parametrize(
    "csr", [b"", b"hello", b"\x00" * 100, b"-----BEGIN CERTIFICATE REQUEST-----"]
)
def test_what_is_no_request_is_refused(bench, csr):
    assert refusal(bench, csr) == "the request is no PEM certificate request (PKCS #10)"


def test_an_oversized_request_is_refused_unread(bench):
    assert "at most 8192 are read" in refusal(bench, b"x" * 8_193)


def test_no_device_is_called_like_the_gateway(bench):
    assert "names the gateway itself" in refusal(bench, request(keys.draw()), "gateway")


@pytest.fixture
def db(tmp_path):
    db = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    for statement in (*store.MIGRATIONS, *store.FLOORS):
        db.execute(statement)
    yield db
    db.close()


def test_a_stored_device_reads_back_whole(bench, db):
    one, other = enrolled(bench, "cam-02").device, enrolled(bench, "cam-01").device
    assert store.add(db, one, 500) is Addition.ADDED
    assert store.add(db, other, 500) is Addition.ADDED
    assert store.devices(db) == (other, one)


def test_an_id_is_given_once(bench, db):
    first = enrolled(bench).device
    assert store.add(db, first, 500) is Addition.ADDED
    assert store.add(db, enrolled(bench).device, 500) is Addition.EXISTS
    assert store.devices(db) == (first,)


def test_a_full_site_takes_no_more_and_still_names_a_duplicate(bench, db):
    assert store.add(db, enrolled(bench, "a").device, 2) is Addition.ADDED
    assert store.add(db, enrolled(bench, "b").device, 2) is Addition.ADDED
    assert store.add(db, enrolled(bench, "c").device, 2) is Addition.FULL
    assert store.add(db, enrolled(bench, "a").device, 2) is Addition.EXISTS


async def test_the_page_reads_the_inventory_on_its_own_connection(bench, db, tmp_path):
    device = enrolled(bench).device
    store.add(db, device, 500)
    async with aiosqlite.connect(f"file:{tmp_path}/state.db?mode=ro", uri=True) as reader:
        assert await store.read_devices(reader) == (device,)
