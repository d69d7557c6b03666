"""The [uplink] section refuses what could not work, in words that name the key."""

import msgspec
import pytest

from gateway.uplink.limits import UplinkLimits

FILES = {"ca_file": "ca.pem", "certificate_file": "cert.pem", "key_file": "key.pem"}


def parse(**keys: object) -> UplinkLimits:
    return msgspec.convert(keys, UplinkLimits)


@pytest.mark.parametrize(
    "url",
    [
        "https://cloud.example",
        "https://cloud.example/",
        "https://127.0.0.1:9443",
        "https://[::1]:9443/site/v2",
    ],
)
def test_a_plain_https_url_with_its_files_is_taken(url):
    assert parse(url=url, **FILES).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://cloud.example",
        "https://",
        "cloud.example",
        "https://cloud.example/?token=1",
        "https://cloud.example/#a",
        "https://user:secret@cloud.example",
        "https://cloud.example/ x",
        "https://cloud.example\n",
    ],
)
def test_a_url_that_is_not_plain_https_is_refused(url):
    with pytest.raises(msgspec.ValidationError, match="is not of the form https"):
        parse(url=url, **FILES)


@pytest.mark.parametrize("key", FILES)
def test_a_url_without_one_of_its_files_is_refused(key):
    files = {name: path for name, path in FILES.items() if name != key}
    with pytest.raises(msgspec.ValidationError, match=f"{key} is missing"):
        parse(url="https://cloud.example", **files)


def test_without_a_url_nothing_is_needed():
    assert parse() == UplinkLimits()


def test_an_unknown_key_is_an_error():
    with pytest.raises(msgspec.ValidationError, match="verify_tls"):
        parse(verify_tls=False)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_max_messages", 0),
        ("batch_max_messages", 10_001),
        ("batch_max_bytes", 1),
        ("batch_max_bytes", 9_000_000),
        ("batch_max_age_s", 0),
        ("alert_batch_max_age_s", 11),
        ("request_timeout_s", 0),
        ("retry_ceiling_s", 0),
        ("retry_ceiling_s", 3601),
        ("probe_every_s", 0),
    ],
)
def test_every_number_has_its_bounds(key, value):
    with pytest.raises(msgspec.ValidationError, match=key):
        parse(**{key: value})
