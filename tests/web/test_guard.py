"""Which requests are answered at all."""

import pytest

from gateway.web import guard
from gateway.web.picture import may_serve

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff\xe0"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8444", "localhost:8444", "LOCALHOST:8444", "[::1]:8444"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_pages_own_names_are_answered(host, method):
    assert guard.check(method, [host], 8444, has_body=False) is None


@pytest.mark.parametrize(
    "hosts",
    [
        ["attacker.example:8444"],
        ["127.0.0.1.attacker.example:8444"],
        ["localhost:80"],
        ["127.0.0.1"],
        ["127.0.0.1:8444 "],
        ["127.1:8444"],
        [""],
        [],
        ["127.0.0.1:8444", "attacker.example:8444"],
    ],
)
def test_a_foreign_name_that_points_here_is_refused(hosts):
    refusal = guard.check("GET", hosts, 8444, has_body=False)
    assert refusal is not None
    assert refusal.status == 421
    assert "http://127.0.0.1:8444/" in refusal.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"])
def test_nothing_but_reading_is_answered(method):
    refusal = guard.check(method, ["127.0.0.1:8444"], 8444, has_body=False)
    assert refusal is not None
    assert refusal.status == 405


def test_a_request_body_is_refused():
    refusal = guard.check("GET", ["127.0.0.1:8444"], 8444, has_body=True)
    assert refusal is not None
    assert refusal.status == 413


def test_a_picture_is_served_when_type_and_bytes_agree():
    assert may_serve("image/png", PNG + b"...")
    assert may_serve("image/jpeg", JPEG)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("image/png", b"<html><script>alert(1)</script>"),
        ("image/png", JPEG),
        ("image/jpeg", PNG),
        ("image/svg+xml", b"<svg onload='alert(1)'/>"),
        ("text/html", PNG),
        ("image/png", b""),
        ("image/png", PNG[:-1]),
        ("image/png", PNG + bytes(262_144)),
    ],
)
def test_anything_else_is_no_picture(content_type, content):
    assert not may_serve(content_type, content)
