"""Promise P4: what each answer does to a batch."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.uplink.answer import (
    ANSWER_MAX_BYTES,
    Answer,
    BackOff,
    Delivered,
    Misconfigured,
    Park,
    Unaccepted,
    Unreached,
    judge,
)

DIGEST = "ab" * 32
JSON = "application/json"


def echo(digest: str = DIGEST, **more: object) -> bytes:
    return msgspec.json.encode({"batch": digest, "rows": 1, **more})


def meaning(status: int, body: bytes) -> type:
    return type(judge(Answer(status, JSON, body), DIGEST))


def test_each_status_does_what_the_table_of_p4_says():
    for status in range(100, 600):
        expected: type = BackOff
        if status in {400, 413, 415, 422}:
            expected = Park
        if status in {401, 403, 404, 407}:
            expected = Misconfigured
        assert meaning(status, b"") is expected, status
        if 200 <= status < 300:
            expected = Delivered
        assert meaning(status, echo()) is expected, status


ODD_BODIES = {
    "the sign-in page of a hotel": b"<html><title>Welcome! Please sign in</title></html>",
    "nothing": b"",
    "another batch": echo("cd" * 32),
    "the digest in upper case": echo(DIGEST.upper()),
    "the digest with a blank": echo(DIGEST + " "),
    "a part of the digest": echo(DIGEST[:32]),
    "the bare digest": DIGEST.encode(),
    "the digest under another name": msgspec.json.encode({"digest": DIGEST}),
    "a list": msgspec.json.encode([DIGEST]),
    "a number": b'{"batch": 7}',
    "null": b'{"batch": null}',
    "half of the answer": echo()[:-1],
    "something after the answer": echo() + b"{}",
    "bytes that are no UTF-8": b'{"batch": "\xff"}',
    "an answer beyond the bound": echo(filler="x" * ANSWER_MAX_BYTES),
    "a tower of brackets": b'{"x":' + b"[" * 60_000,
}


@pytest.mark.parametrize("name", ODD_BODIES)
def test_a_200_that_does_not_echo_the_digest_delivers_nothing(name):
    verdict = judge(Answer(200, JSON, ODD_BODIES[name]), DIGEST)
    assert isinstance(verdict, BackOff)
    assert "sign-in page" in verdict.reason


@pytest.mark.parametrize(
    "kind", ["text/html", "", "application/jsonp", "text/plain; x=application/json"]
)
def test_a_captive_portal_that_repeats_what_it_was_sent_delivers_nothing(kind):
    assert isinstance(judge(Answer(200, kind, echo()), DIGEST), BackOff)


@pytest.mark.parametrize("kind", [JSON, "application/json; charset=utf-8", "Application/JSON"])
def test_a_content_type_with_parameters_is_still_json(kind):
    assert judge(Answer(200, kind, echo()), DIGEST) == Delivered()


def test_a_later_cloud_may_say_more_in_its_echo():
    assert judge(Answer(201, JSON, echo(region="eu", stored=True)), DIGEST) == Delivered()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_delivers_nothing_and_is_named(status):
    verdict = judge(Answer(status, JSON, echo()), DIGEST)
    assert isinstance(verdict, BackOff)
    assert verdict.reason == (
        f"{status}: redirects are not followed; perhaps a network's sign-in page"
    )


def test_a_refusal_keeps_the_clouds_own_sentence():
    body = msgspec.json.encode({"error": "document", "detail": "column score has 3 values"})
    assert judge(Answer(422, JSON, body), DIGEST) == Park(
        "422: the content breaks a rule of the cloud (document: column score has 3 values)"
    )


def test_a_refusal_cannot_forge_log_lines_or_flood_them():
    body = msgspec.json.encode({"error": "a\nERROR all is lost\x1b[2J" + "x" * 9000})
    verdict = judge(Answer(400, JSON, body), DIGEST)
    assert isinstance(verdict, Park)
    assert verdict.reason.isprintable()
    assert len(verdict.reason) < 300


def test_a_proxy_before_the_cloud_that_dislikes_our_certificate_parks_nothing():
    page = b"<html><head><title>400 The SSL certificate error</title></head></html>"
    verdict = judge(Answer(400, "text/html", page), DIGEST)
    assert verdict == Misconfigured("400: the cloud does not accept this gateway's certificate")


def test_the_configuration_reasons_tell_the_operator_where_to_look():
    def reason(status: int) -> str:
        verdict = judge(Answer(status, "text/html", b""), DIGEST)
        assert isinstance(verdict, Misconfigured)
        return verdict.reason

    assert reason(401) == "401: the cloud does not accept this gateway's certificate"
    assert reason(404) == "404: there is no upload service at this address: check [uplink] url"
    assert "permit" in reason(403)
    assert "proxy" in reason(407)


@pytest.mark.parametrize("status", [200, 302, 408, 429, 500, 503])
def test_what_backs_off_keeps_the_clouds_wish_for_a_pause(status):
    verdict = judge(Answer(status, JSON, b"", retry_after_s=120.0), DIGEST)
    assert isinstance(verdict, BackOff)
    assert verdict.retry_after_s == 120.0


def test_no_answer_backs_off_and_a_wrong_configuration_waits_for_a_person():
    assert judge(Unreached("refused"), DIGEST) == BackOff("refused", answered=False)
    assert judge(Unaccepted("expired"), DIGEST) == Misconfigured("expired")


@given(st.integers(0, 999), st.text(max_size=40), st.binary(max_size=80))
def test_no_answer_but_the_echo_delivers(status, kind, body):
    verdict = judge(Answer(status, kind, body), DIGEST)
    assert not isinstance(verdict, Delivered)
