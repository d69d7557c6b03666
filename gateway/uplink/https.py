"""The contact with the cloud: one HTTPS request a batch, and what came of it as a value.

Only the configured CA is trusted, TLS 1.2 is the least, the client certificate is always
shown. No redirect is followed, no proxy is taken from the environment, no cookie is kept,
no answer is decompressed, and no more of it is read than ``ANSWER_MAX_BYTES`` plus one.

Every fault of network, TLS and files ends here as ``Unreached`` (may pass by itself) or
``Unaccepted`` (a person must change something), in words for that person.
"""

import os
import ssl
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from gateway.model.time import Clock, UnixMs
from gateway.uplink import certificate
from gateway.uplink.answer import ANSWER_MAX_BYTES, Answer, Unaccepted, Unreached
from gateway.uplink.backoff import retry_after_s
from gateway.uplink.batch import Batch
from gateway.uplink.limits import UplinkLimits

CONTENT_TYPE: Final = "application/vnd.site-gateway.batch+json"
RESENT: Final = {"Batch-Resent": "true"}
"""Marks what may have come before. It decides nothing: the digest does."""
KEEPALIVE_S: Final = 15
"""Shorter than what servers keep (60 s and more), else a batch meets a closing connection."""

# Alerts by which a server says that it will not have us as we are (RFC 8446, 6.2), as
# OpenSSL spells them. Other alerts are faults of one connection.
REFUSING_ALERTS: Final = (
    "CERTIFICATE",  # bad, expired, revoked, unknown, unsupported, required
    "UNKNOWN_CA",
    "ACCESS_DENIED",
    "HANDSHAKE_FAILURE",  # TLS 1.2 says so when no certificate is shown
    "PROTOCOL_VERSION",
    "INSUFFICIENT_SECURITY",
)

Fingerprint = tuple[tuple[int, int, int] | None, ...]


class Https:
    """The cloud behind one URL. An async context manager; one request at a time.

    ``limits`` must have a URL, and its files as absolute paths.
    """

    def __init__(self, limits: UplinkLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._ca = Path(limits.ca_file)
        self._certificate = Path(limits.certificate_file)
        self._key = Path(limits.key_file)
        self._session: aiohttp.ClientSession | None = None
        self._loaded: Fingerprint = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._disconnect()

    def fingerprint(self) -> Fingerprint:
        """Return a value that changes when one of the three files is changed or replaced."""
        return tuple(_stamp(path) for path in (self._ca, self._certificate, self._key))

    async def post(self, batch: Batch) -> Answer | Unreached | Unaccepted:
        """Send ``batch`` once.

        ``Unreached`` does not mean that the cloud has not stored it: an answer can be
        lost. So only the same bytes may be sent again.
        """
        fingerprint = self.fingerprint()
        if fingerprint != self._loaded:
            await self._disconnect()
        refusal = self._check_certificate()
        if refusal is not None:
            return Unaccepted(refusal)
        if self._session is None:
            context = self._context()
            if isinstance(context, Unaccepted):
                return context
            self._session = self._connect(context)
            self._loaded = fingerprint
        try:
            return await self._exchange(self._session, batch)
        except TimeoutError:
            return Unreached(f"no answer within {self._limits.request_timeout_s:g} s")
        except (aiohttp.InvalidURL, UnicodeError):  # the latter: a name that is none in DNS
            return Unaccepted(f"{self._limits.url} is no address: check [uplink] url")
        except (aiohttp.ClientError, OSError) as error:
            return _translated(error, self._limits.url)

    async def _exchange(self, session: aiohttp.ClientSession, batch: Batch) -> Answer:
        request = session.post(
            f"{self._limits.url.rstrip('/')}/v1/batches/{batch.sha256}",
            data=batch.body,
            headers={
                "Content-Type": CONTENT_TYPE,
                "Content-Encoding": "zstd",
                "Idempotency-Key": batch.sha256,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                **(RESENT if batch.resent else {}),
            },
            allow_redirects=False,
        )
        async with request as response:
            body = bytearray()
            while piece := await response.content.read(ANSWER_MAX_BYTES + 1 - len(body)):
                body += piece
            return Answer(
                response.status,
                response.headers.get("Content-Type", ""),
                bytes(body),
                retry_after_s(response.headers.get("Retry-After")),
                _date(response.headers.get("Date")),
            )

    def _connect(self, context: ssl.SSLContext) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=context, limit=1, keepalive_timeout=KEEPALIVE_S, use_dns_cache=False
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._limits.request_timeout_s),
            headers={"User-Agent": "site-gateway"},
            auto_decompress=False,
            trust_env=False,
        )

    async def _disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _check_certificate(self) -> str | None:
        try:
            pem = self._certificate.read_bytes()
        except OSError as error:
            return f"{self._certificate} cannot be read: {_named(error)}"
        return certificate.fault(pem, self._clock.wall())

    def _context(self) -> ssl.SSLContext | Unaccepted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks name and chain
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(self._ca)
        except OSError as error:  # ssl.SSLError is one
            return Unaccepted(f"{self._ca} is no readable CA certificate: {_named(error)}")
        try:
            # An empty password, or OpenSSL asks for one on the terminal and waits.
            context.load_cert_chain(self._certificate, self._key, password="")
        except OSError as error:
            return Unaccepted(f"{self._key} is no key to {self._certificate}: {_named(error)}")
        return context


def _translated(error: Exception, url: str) -> Unreached | Unaccepted:
    """Return what a foreign exception means for the uplink. The only place that knows them."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLError():
                return _of_tls(cause, url)
            case aiohttp.ClientConnectorDNSError():
                return Unreached(f"the name {cause.host} cannot be resolved")
            case aiohttp.ClientConnectorError():
                return Unreached(f"{cause.host}:{cause.port} cannot be reached: {_named(cause)}")
            case ConnectionResetError() | aiohttp.ServerDisconnectedError():
                return Unreached(
                    "the cloud closed the connection before it answered; some servers "
                    "do so when they do not accept the client certificate"
                )
            case _:
                pass
    return Unreached(f"the request failed: {type(error).__name__}")


def _of_tls(error: ssl.SSLError, url: str) -> Unreached | Unaccepted:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unaccepted(
            f"who answers at {url} is not trusted ({error.verify_message}): ca_file or url is "
            "wrong, the cloud's certificate has expired, or a network's sign-in page answers"
        )
    words = _words(error)
    if "_ALERT_" in str(error.reason) and any(name in error.reason for name in REFUSING_ALERTS):
        return Unaccepted(f"the cloud does not accept this gateway's certificate ({words})")
    return Unreached(f"TLS with the cloud failed ({words})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield causes before what they caused: the innermost says most."""
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)
    yield error


def _words(error: ssl.SSLError) -> str:
    """Return OpenSSL's name of the fault as words; it may have none."""
    name = str(error.reason or error.strerror or "unknown fault")
    return (name.partition("_ALERT_")[2] or name).replace("_", " ").lower()


def _named(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return _words(error)
    # asyncio puts addresses into strerror; the kernel's own words are plainer.
    return os.strerror(error.errno) if error.errno else str(error)


def _date(header: str | None) -> UnixMs | None:
    """Return what a Date header says (RFC 9110, 6.6.1); None when there is none or it is odd."""
    try:
        return UnixMs(round(parsedate_to_datetime(header or "").timestamp() * 1000))
    except (ValueError, OverflowError):
        return None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
