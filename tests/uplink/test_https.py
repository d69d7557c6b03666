"""The uplink against real TLS servers on loopback: what each fault is called."""

import asyncio
import hashlib
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from cryptography.hazmat.primitives import serialization

from gateway.model.outcome import MessageClass
from gateway.uplink import https
from gateway.uplink.answer import ANSWER_MAX_BYTES, Answer, Unaccepted, Unreached
from gateway.uplink.batch import Batch
from gateway.uplink.https import CONTENT_TYPE, Https
from gateway.uplink.limits import UplinkLimits
from tests.simulators.cloud import Reply, Script
from tests.support.company import Company, found, real_clock
from tests.support.tls_server import DAY, Authority, alerting, server_context, serving

BODY = b"sealed bytes"
BATCH = Batch(hashlib.sha256(BODY).hexdigest(), BODY, MessageClass.ALERT, 1, 1)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return found(tmp_path / "company")


async def post_once(limits: UplinkLimits, batch: Batch = BATCH) -> Answer | Unreached | Unaccepted:
    async with Https(limits, real_clock()) as cloud:
        return await cloud.post(batch)


def reason(outcome: Answer | Unreached | Unaccepted, kind: type[Unreached | Unaccepted]) -> str:
    assert isinstance(outcome, kind), outcome
    return outcome.reason


# ---------------------------------------------------------------- what is sent


async def test_a_batch_is_sent_as_the_protocol_says(company: Company):
    script = Script()
    async with company.serving(script) as port:
        await post_once(company.limits(port, url=f"https://127.0.0.1:{port}/ingest/"))
    (headers,) = script.headers
    assert script.requests == [(BATCH.sha256, BODY)]
    assert headers["Content-Type"] == CONTENT_TYPE
    assert headers["Content-Encoding"] == "zstd"
    assert headers["Idempotency-Key"] == BATCH.sha256
    assert headers["Content-Length"] == str(len(BODY))
    assert headers["User-Agent"] == "site-gateway"
    assert "Batch-Resent" not in headers


async def test_a_batch_that_may_have_come_before_says_so(company: Company):
    script = Script()
    async with company.serving(script) as port, Https(company.limits(port), real_clock()) as way:
        await way.post(replace(BATCH, resent=True))
    (headers,) = script.headers
    assert headers["Batch-Resent"] == "true"
    assert script.resent == [BATCH.sha256]


async def test_the_url_may_have_a_path(company: Company):
    paths: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        paths.append(request.path)
        return web.Response()

    context = server_context(company.server, company.authority.ca)
    async with serving(handle, context) as port:
        await post_once(company.limits(port, url=f"https://127.0.0.1:{port}/ingest/"))
    assert paths == [f"/ingest/v1/batches/{BATCH.sha256}"]


async def test_the_cloud_cannot_make_the_gateway_keep_a_cookie(company: Company):
    script = Script()
    script.then(Reply(503, b"", headers={"Set-Cookie": "track=1; Path=/"}))
    async with company.serving(script) as port, Https(company.limits(port), real_clock()) as way:
        await way.post(BATCH)
        await way.post(BATCH)
    assert all("Cookie" not in headers for headers in script.headers)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def test_a_proxy_in_the_environment_is_not_used(company: Company):
    script, proxy = Script(), Script()
    async with company.serving(script) as port, serving(proxy.handle, None) as proxy_port:
        address = f"http://127.0.0.1:{proxy_port}"
        with environment(HTTPS_PROXY=address, https_proxy=address, ALL_PROXY=address):
            assert isinstance(await post_once(company.limits(port)), Answer)
    assert (len(script.requests), len(proxy.headers)) == (1, 0)


async def test_a_redirect_is_not_followed(company: Company):
    script, elsewhere = Script(), Script()
    async with company.serving(elsewhere) as other_port, company.serving(script) as port:
        away = f"https://127.0.0.1:{other_port}/v1/batches/{BATCH.sha256}"
        script.then(Reply(307, b"", headers={"Location": away}))
        outcome = await post_once(company.limits(port))
    assert isinstance(outcome, Answer)
    assert outcome.status == 307
    assert elsewhere.requests == []


# ---------------------------------------------------------------- answers that are attacks


async def test_an_answer_without_end_is_read_up_to_the_bound(company: Company):
    sent_bytes = 0

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent_bytes
        response = web.StreamResponse()
        await response.prepare(request)
        while sent_bytes < 1 << 30:
            await response.write(bytes(65_536))
            sent_bytes += 65_536
        return response

    context = server_context(company.server, company.authority.ca)
    async with serving(handle, context) as port:
        outcome = await post_once(company.limits(port))
    assert isinstance(outcome, Answer)
    assert len(outcome.body) == ANSWER_MAX_BYTES + 1
    assert sent_bytes < 1 << 26  # the rest was never asked for


async def test_a_compressed_answer_is_not_decompressed(company: Company):
    packed = b"\x1f\x8b not even gzip"
    script = Script()
    script.then(Reply(200, packed, headers={"Content-Encoding": "gzip"}))
    async with company.serving(script) as port:
        outcome = await post_once(company.limits(port))
    assert isinstance(outcome, Answer)
    assert outcome.body == packed


async def test_a_cloud_that_never_answers_is_given_up(company: Company):
    async def handle(request: web.BaseRequest) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    context = server_context(company.server, company.authority.ca)
    async with serving(handle, context) as port:
        outcome = await post_once(company.limits(port, request_timeout_s=1))
    assert reason(outcome, Unreached) == "no answer within 1 s"


async def speaking(first_words: bytes, limits_of: Company) -> Answer | Unreached | Unaccepted:
    """Post to a TLS server that answers with these bytes and closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first_words)
        writer.close()

    context = server_context(limits_of.server, limits_of.authority.ca)
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    async with server:
        return await post_once(limits_of.limits(server.sockets[0].getsockname()[1]))


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_no_answer(company: Company, words: bytes):
    assert isinstance(await speaking(words, company), Unreached)


# ---------------------------------------------------------------- certificates and files


async def test_an_expired_client_certificate_is_named_and_not_even_shown(company: Company):
    script = Script()
    company.client = company.authority.client(lifetime=-DAY)
    async with company.serving(script) as port:
        outcome = await post_once(company.limits(port))
    assert reason(outcome, Unaccepted).startswith("the client certificate expired on ")
    assert script.headers == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_of_another_ca_is_a_configuration_problem(
    company: Company, tmp_path: Path, version: ssl.TLSVersion
):
    context = server_context(company.server, company.authority.ca)
    context.maximum_version = version
    company.client = Authority(tmp_path / "other", "other CA").client()
    with alerting(context) as port:
        outcome = await post_once(company.limits(port))
    assert reason(outcome, Unaccepted) == (
        "the cloud does not accept this gateway's certificate (unknown ca)"
    )


async def test_a_cut_without_an_alert_hints_at_the_certificate(company: Company, tmp_path: Path):
    script = Script()
    company.client = Authority(tmp_path / "other", "other CA").client()
    async with company.serving(script) as port:
        outcome = await post_once(company.limits(port))
    assert "do not accept the client certificate" in reason(outcome, Unreached)
    assert script.headers == []


async def test_a_server_of_another_ca_gets_nothing(company: Company, tmp_path: Path):
    script = Script()
    other = Authority(tmp_path / "other", "other CA")
    async with serving(script.handle, server_context(other.server(), None)) as port:
        outcome = await post_once(company.limits(port))
    assert "is not trusted" in reason(outcome, Unaccepted)
    assert script.headers == []


async def test_a_server_with_another_name_gets_nothing(company: Company):
    script = Script()
    elsewhere = company.authority.server("127.9.9.9")
    async with serving(script.handle, server_context(elsewhere, None)) as port:
        outcome = await post_once(company.limits(port))
    assert "certificate is not valid for '127.0.0.1'" in reason(outcome, Unaccepted)
    assert script.headers == []


async def test_a_portal_without_tls_is_no_cloud(company: Company):
    script = Script()
    async with serving(script.handle, None) as port:
        outcome = await post_once(company.limits(port))
    assert "TLS with the cloud failed" in reason(outcome, Unreached)


async def test_a_closed_port_is_not_reached(company: Company):
    async with serving(Script().handle, None) as port:
        pass
    outcome = await post_once(company.limits(port))
    assert reason(outcome, Unreached) == f"127.0.0.1:{port} cannot be reached: Connection refused"


@pytest.mark.parametrize(
    "url", ["https://a..example", "https://" + 64 * "a" + ".example", "https://127.0.0.1:99999"]
)
async def test_a_url_that_no_name_server_could_know_is_a_configuration_problem(
    company: Company, url: str
):
    outcome = await post_once(company.limits(9, url=url))
    assert reason(outcome, Unaccepted) == f"{url} is no address: check [uplink] url"


async def test_a_name_that_does_not_resolve_is_not_reached():
    # Made by hand, since a test asks no name server.
    fault = aiohttp.ClientConnectorDNSError(
        ConnectionKey("cloud.example", 443, True, True, None, None, None),  # noqa: FBT003  # its fields
        OSError("Name or service not known"),
    )
    outcome = https._translated(fault, "https://cloud.example")
    assert outcome == Unreached("the name cloud.example cannot be resolved")


@pytest.mark.parametrize("key", ["ca_file", "certificate_file", "key_file"])
async def test_a_missing_file_is_named(company: Company, tmp_path: Path, key: str):
    missing = str(tmp_path / "missing.pem")
    outcome = await post_once(company.limits(9, **{key: missing}))
    assert missing in reason(outcome, Unaccepted)


async def test_a_key_that_does_not_belong_to_the_certificate_is_named(company: Company):
    outcome = await post_once(company.limits(9, key_file=str(company.server.key)))
    assert reason(outcome, Unaccepted) == (
        f"{company.server.key} is no key to {company.client.certificate}: key values mismatch"
    )


async def test_a_key_with_a_password_is_refused_and_not_asked_for(company: Company):
    key = serialization.load_pem_private_key(company.client.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    company.client.key.write_bytes(locked)
    assert "is no key to" in reason(await post_once(company.limits(9)), Unaccepted)


async def test_a_new_certificate_is_used_without_a_restart(company: Company):
    shown: list[bytes | None] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        channel: ssl.SSLObject = request.transport.get_extra_info("ssl_object")
        shown.append(channel.getpeercert(binary_form=True))
        return web.Response()

    context = server_context(company.server, company.authority.ca)
    async with serving(handle, context) as port, Https(company.limits(port), real_clock()) as way:
        before = way.fingerprint()
        await way.post(BATCH)
        await way.post(BATCH)
        company.authority.client()  # writes the same files anew
        assert way.fingerprint() != before
        await way.post(BATCH)
    assert shown[0] == shown[1] != shown[2]
