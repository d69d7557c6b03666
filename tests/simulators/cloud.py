"""A cloud that follows a script: as a fake in the process, or over real TLS on loopback.

Both forms share one script and one ledger, so the same story can be told to both.
"""

from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum

import msgspec
import zstandard
from aiohttp import web

from gateway.model.time import UnixMs
from gateway.uplink.answer import Answer, Unaccepted, Unreached
from gateway.uplink.backoff import retry_after_s
from gateway.uplink.batch import Batch


@dataclass(frozen=True)
class Reply:
    """An answer. Without a body it echoes the digest as a good cloud does."""

    status: int = 200
    body: bytes | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    stores: bool = False
    """Whether the batch is on the cloud's disk all the same."""


class Fault(Enum):
    """A request that gets no answer."""

    LOSE_ANSWER = "stored, but the answer is lost"
    DROP = "closed before anything was stored"


ECHO = Reply()


@dataclass
class Script:
    """What the cloud will do next, and what it saw. After the script it echoes."""

    steps: deque[Reply | Fault] = field(default_factory=deque)
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    """(digest in the path, body) of every request."""
    date: UnixMs | None = None
    """What the fake's own clock says in each answer."""
    headers: list[dict[str, str]] = field(default_factory=list)
    ledger: Counter[str] = field(default_factory=Counter)
    """How often each digest was stored."""
    resent: list[str] = field(default_factory=list)
    """Digests that came with the mark of a resend, in order."""
    about: dict[str, "Reply | Fault"] = field(default_factory=dict)
    """What every batch that holds this word gets, as long as it stands here."""

    def then(self, *steps: Reply | Fault) -> None:
        """Add to the script."""
        self.steps.extend(steps)

    def serve(self, digest: str, body: bytes) -> Reply | Fault:
        """Return the next answer, and store what it says is stored."""
        self.requests.append((digest, body))
        step = self._bound_to(body) or (self.steps.popleft() if self.steps else ECHO)
        stores = step is Fault.LOSE_ANSWER or (isinstance(step, Reply) and step.stores)
        if step == ECHO or stores:
            self.ledger[digest] += 1
        if step == ECHO:
            body = msgspec.json.encode({"batch": digest, "rows": 1})
            return Reply(200, body)
        return step

    def _bound_to(self, body: bytes) -> "Reply | Fault | None":
        text = zstandard.ZstdDecompressor().decompress(body) if self.about else b""
        return next((step for word, step in self.about.items() if word.encode() in text), None)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve the script over HTTP."""
        self.headers.append(dict(request.headers))
        digest = request.path.rpartition("/")[2]
        if request.headers.get("Batch-Resent") == "true":
            self.resent.append(digest)
        reply = self.serve(digest, await request.read())
        if isinstance(reply, Fault):
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        headers = {"Content-Type": reply.content_type, **reply.headers}
        return web.Response(status=reply.status, body=reply.body or b"", headers=headers)


@dataclass
class ScriptedCloud:
    """Implements ``uplink.service.Cloud`` without a network."""

    script: Script
    files: Hashable = 0
    """What the operator's files look like; a test changes it to play the operator."""
    refusal: str | None = None
    """Set: no connection is made, for this reason."""

    def fingerprint(self) -> Hashable:
        return self.files

    async def post(self, batch: Batch) -> Answer | Unreached | Unaccepted:
        if self.refusal is not None:
            return Unaccepted(self.refusal)
        if batch.resent:
            self.script.resent.append(batch.sha256)
        reply = self.script.serve(batch.sha256, batch.body)
        if isinstance(reply, Fault):
            return Unreached(reply.value)
        retry_after = retry_after_s(reply.headers.get("Retry-After"))
        return Answer(
            reply.status, reply.content_type, reply.body or b"", retry_after, self.script.date
        )
