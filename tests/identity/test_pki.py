import stat

import pytest

from gateway.identity import keys, pki, recovery
from gateway.identity.authority import AuthorityError
from gateway.identity.files import FileAccessError
from gateway.identity.names import ip_network, permitted, server_names
from gateway.identity.pki import NewSite, SiteExistsError
from gateway.identity.validity import Renewal
from gateway.model.errors import OperatorFaultError
from gateway.model.time import UnixMs
from tests.support.certificates import YEAR_MS, openssl_verify, wall

RECOVERY = keys.draw()
NAMES = server_names("plant-a", ["192.168.7.5"])
MOVED = server_names("plant-a", ["192.168.7.6"])


def new_site() -> NewSite:
    allowed = permitted("plant-a", [ip_network("192.168.7.5/24")[1]], [])
    return NewSite("plant-a", allowed, NAMES, RECOVERY.public_key())


@pytest.fixture
def site(tmp_path):
    pki.create(tmp_path, new_site(), wall())
    return tmp_path / "pki"


def test_a_new_site_has_these_files_and_only_certificates_are_public(site):
    assert {p.name: f"{stat.S_IMODE(p.stat().st_mode):o}" for p in site.iterdir()} == {
        "ca-cert.pem": "644",
        "ca-key.pem": "600",
        "ca-key.wrapped.json": "644",
        "recovery-public.pem": "644",
        "server-cert.pem": "644",
        "server-key.pem": "600",
    }
    assert stat.S_IMODE(site.stat().st_mode) == 0o700
    assert openssl_verify(site / "ca-cert.pem", site / "server-cert.pem") == ""


def test_the_holder_of_the_recovery_key_gets_the_ca_back(site):
    envelope = (site / "ca-key.wrapped.json").read_bytes()
    secret = recovery.unwrap(envelope, RECOVERY, purpose=recovery.SITE_CA_KEY, site="plant-a")
    assert secret.reveal() == (site / "ca-key.pem").read_bytes()
    assert pki.recovery_key(site) == RECOVERY.public_key()


def test_a_site_is_never_made_over_another(site):
    before = (site / "ca-cert.pem").read_bytes()
    with pytest.raises(SiteExistsError, match="already holds a site CA"):
        pki.create(site.parent, new_site(), wall())
    assert (site / "ca-cert.pem").read_bytes() == before


def test_a_creation_that_fails_leaves_nothing(tmp_path):
    outside = NewSite("plant-a", permitted("plant-a", [], []), NAMES, RECOVERY.public_key())
    with pytest.raises(AuthorityError, match=r"may not certify 192\.168\.7\.5"):
        pki.create(tmp_path, outside, wall())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_creation_left_is_removed_by_the_next(tmp_path):
    left = tmp_path / ".pki-abc"
    left.mkdir()
    (left / "ca-key.pem").write_text("half")
    pki.create(tmp_path, new_site(), wall())
    assert [path.name for path in tmp_path.iterdir()] == ["pki"]


def test_a_good_server_certificate_is_kept(site):
    authority = pki.load_authority(site)
    before = (site / "server-cert.pem").read_bytes()
    assert pki.keep_server_certificate(site, authority, NAMES, wall()) is None
    assert (site / "server-cert.pem").read_bytes() == before


def test_a_new_address_in_the_sites_network_gets_a_new_certificate(site):
    authority = pki.load_authority(site)
    assert pki.keep_server_certificate(site, authority, MOVED, wall()) is Renewal.NAMES
    assert pki.keep_server_certificate(site, authority, MOVED, wall()) is None
    certificate = site / "server-cert.pem"
    assert openssl_verify(site / "ca-cert.pem", certificate, "-verify_ip", "192.168.7.6") == ""


def test_a_new_address_outside_keeps_the_old_certificate_and_says_why(site):
    authority = pki.load_authority(site)
    before = (site / "server-cert.pem").read_bytes()
    elsewhere = server_names("plant-a", ["10.0.0.1"])
    with pytest.raises(AuthorityError, match=r"may not certify 10\.0\.0\.1"):
        pki.keep_server_certificate(site, authority, elsewhere, wall())
    assert (site / "server-cert.pem").read_bytes() == before
    assert pki.keep_server_certificate(site, authority, NAMES, wall()) is None


def test_a_certificate_is_renewed_in_its_last_third(site):
    authority = pki.load_authority(site)
    later = UnixMs(wall() + YEAR_MS + YEAR_MS // 2)
    assert pki.keep_server_certificate(site, authority, NAMES, later) is Renewal.EXPIRES


def test_a_power_cut_between_key_and_certificate_heals_at_the_next_start(site):
    authority = pki.load_authority(site)
    keys.write(site / "server-key.pem", keys.to_pem(keys.draw()))  # and then the power went
    assert pki.keep_server_certificate(site, authority, NAMES, wall()) is Renewal.FOREIGN
    assert pki.keep_server_certificate(site, authority, NAMES, wall()) is None


def test_a_server_certificate_of_another_ca_is_replaced(site, tmp_path):
    (tmp_path / "other").mkdir()
    pki.create(tmp_path / "other", new_site(), wall())
    for name in ("server-cert.pem", "server-key.pem"):
        (tmp_path / "other" / "pki" / name).replace(site / name)
    authority = pki.load_authority(site)
    assert pki.keep_server_certificate(site, authority, NAMES, wall()) is Renewal.FOREIGN


@pytest.mark.parametrize("name", ["server-cert.pem", "server-key.pem"])
def test_a_lost_or_spoilt_server_file_is_made_again(site, name):
    authority = pki.load_authority(site)
    (site / name).unlink()
    assert pki.keep_server_certificate(site, authority, NAMES, wall()) is Renewal.MISSING
    (site / name).write_text("spoilt")
    assert pki.keep_server_certificate(site, authority, NAMES, wall()) is Renewal.MISSING
    assert pki.keep_server_certificate(site, authority, NAMES, wall()) is None


@pytest.mark.parametrize("name", ["ca-key.pem", "server-key.pem"])
def test_a_key_that_others_may_read_stops_the_start(site, name):
    (site / name).chmod(0o644)
    with pytest.raises(FileAccessError, match=f"chmod 600 {site / name}"):
        pki.keep_server_certificate(site, pki.load_authority(site), NAMES, wall())


def test_a_missing_site_says_how_to_make_one(tmp_path):
    with pytest.raises(OperatorFaultError, match=r"ca-key.pem: No such file .*'site-gateway init'"):
        pki.load_authority(tmp_path / "pki")
    with pytest.raises(OperatorFaultError, match=r"put the company's public recovery key there"):
        pki.recovery_key(tmp_path)
