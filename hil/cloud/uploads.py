"""The answers to POST /v1/batches/{digest}, and the faults that are played on it.

Rules:
    * A batch is on the disk before it is echoed; one thread writes, so arrivals queue there.
    * A fault is taken per upload, after the whole body was read: a client that sends is
      never cut by accident.
    * ``slow`` and ``lose-answer`` keep the batch first. They are the hard cases: the
      gateway cannot know that it was delivered.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from hil.cloud.batch import BODY_MAX_BYTES, DIGEST, examine, unpack
from hil.cloud.ledger import Ledger
from hil.cloud.mode import Fault, ModeFile
from hil.cloud.refusal import Refusal

CONTENT_TYPE: Final = "application/vnd.site-gateway.batch+json"
RESENT: Final = "Batch-Resent"
READ_TIMEOUT_S: Final = 60
AT_ONCE: Final = 8
"""Uploads whose body is held in memory at the same time."""
PORTAL_PAGE: Final = (
    "<!doctype html><title>Welcome</title><p>Please accept the terms of this network."
)


class Uploads:
    """The answers to one path, POST /v1/batches/{digest}."""

    def __init__(self, ledger: Ledger, mode: ModeFile, worker: ThreadPoolExecutor) -> None:
        self._ledger = ledger
        self._mode = mode
        self._worker = worker
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one upload as docs/upload-protocol.md says, or as the fault in force wants."""
        digest = request.match_info["digest"]
        refusal = _headers(request, digest)
        if refusal is not None:
            return _refused(digest, refusal)
        async with self._slots:
            body = await _body(request)
            if isinstance(body, Refusal):
                return _refused(digest, body)
            fault = self._mode.take_fault()
            answer = _instead(digest, fault, body)
            if answer is not None:
                return answer
            site = _common_name(request)
            loop = asyncio.get_running_loop()
            resent = request.headers.get(RESENT) == "true"
            keep = partial(self._accept, digest, body, site, resent=resent)
            kept = await loop.run_in_executor(self._worker, keep)
        if isinstance(kept, Refusal):
            return _refused(digest, kept)
        if fault.kind == "slow":
            await asyncio.sleep(fault.delay_s)
        if fault.kind == "lose-answer" and request.transport is not None:
            _say(digest, "fault lose-answer: kept, the connection is aborted")
            request.transport.abort()
        return web.json_response({"batch": digest, "rows": kept})

    def _accept(self, digest: str, body: bytes, site: str, *, resent: bool) -> int | Refusal:
        """Check and keep a body; return its rows once it is on the disk. Runs on one thread."""
        batch = examine(digest, body)
        if isinstance(batch, Refusal):
            return batch
        document = batch.document
        if document.site != site:
            detail = f"the certificate is of {site!r}, the batch of {document.site!r}"
            return Refusal(403, "other-site", detail)
        times = self._ledger.arrive(batch, body, int(time.time() * 1000), resent=resent)
        again = f", number {times} of the same" if times > 1 else ""
        _say(digest, f"kept {document.class_}: {document.rows} rows, {len(body)} bytes{again}")
        return document.rows


async def _body(request: web.Request) -> bytes | Refusal:
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        return Refusal(408, "too-slow", f"no whole body in {READ_TIMEOUT_S} s")
    except web.HTTPRequestEntityTooLarge:
        return _too_large(f"more than {BODY_MAX_BYTES} bytes")


def _headers(request: web.Request, digest: str) -> Refusal | None:
    """Return what is wrong before the body is read."""
    if DIGEST.fullmatch(digest) is None:
        return Refusal(400, "digest-malformed", "the path does not end in 64 of 0-9 and a-f")
    if (key := request.headers.get("Idempotency-Key")) != digest:
        return Refusal(400, "key-mismatch", f"Idempotency-Key is {key!r}, the path says {digest}")
    if (kind := request.headers.get("Content-Type")) != CONTENT_TYPE:
        return Refusal(415, "content-type", f"Content-Type is {kind!r}, expected {CONTENT_TYPE}")
    if (encoding := request.headers.get("Content-Encoding")) != "zstd":
        return Refusal(415, "content-encoding", f"Content-Encoding is {encoding!r}, expected zstd")
    if (request.content_length or 0) > BODY_MAX_BYTES:
        return _too_large(f"{request.content_length} bytes")
    return None


def _too_large(came: str) -> Refusal:
    return Refusal(
        413, "body-too-large", f"the body has {came}, at most {BODY_MAX_BYTES} are taken"
    )


def _instead(digest: str, fault: Fault, body: bytes) -> web.Response | None:
    """Return the answer that ``fault`` gives in place of keeping the batch."""
    if fault.kind == "poison":
        text = unpack(body)
        if isinstance(text, Refusal) or fault.about.encode() not in text:
            return None
        _say(digest, f"fault poison: it holds {fault.about!r}, nothing kept")
    if fault.kind in {"refuse", "captive-portal", "retry-after"}:
        _say(digest, f"fault {fault.kind}: nothing kept")
    match fault.kind:
        case "refuse" | "poison":
            return web.json_response(
                {"error": "fault", "detail": "refused on demand"}, status=fault.status
            )
        case "captive-portal":
            return web.Response(text=PORTAL_PAGE, content_type="text/html")
        case "retry-after":
            return web.json_response(
                {"error": "fault", "detail": "busy on demand"},
                status=503,
                headers={"Retry-After": str(round(fault.delay_s))},
            )
        case "none" | "slow" | "lose-answer":
            return None


def _common_name(request: web.Request) -> str:
    certificate = request.get_extra_info("peercert") or {}
    facts = dict(pair for part in certificate.get("subject", ()) for pair in part)
    return str(facts.get("commonName", ""))


def _refused(digest: str, refusal: Refusal) -> web.Response:
    _say(digest, f"refused {refusal.status} {refusal.code}: {refusal.detail}")
    body = {"error": refusal.code, "detail": refusal.detail}
    return web.json_response(body, status=refusal.status)


@web.middleware
async def named(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give aiohttp's own refusals the form of the protocol's."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return _refused("-", Refusal(404, "no-such-path", f"there is no {request.path}"))
    except web.HTTPMethodNotAllowed:
        return _refused("-", Refusal(405, "no-such-method", f"{request.method} is not served"))


def _say(digest: str, text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {digest[:12]} {text}", flush=True)
