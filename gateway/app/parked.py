"""Parked batches in the hands of an operator: the control socket's paths for them."""

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

import aiosqlite
import msgspec
from aiohttp import web

from gateway.app.control import reply
from gateway.app.message import Queue
from gateway.health.audit import audit
from gateway.identity.keystore import floors, raise_floor
from gateway.model.audit import GATEWAY, OPERATOR, Action
from gateway.model.outcome import Outcome
from gateway.model.time import SiteTime
from gateway.spool import sealed, store
from gateway.spool.sealed import Parked
from gateway.store.sqlite import Engine
from gateway.uplink import reading
from gateway.uplink.service import Uplink

RESUMED: Final = "parking-resumed"
"""Floor: the site time at which an operator last let parking go on."""
NAME: Final = re.compile(r"[0-9a-f]{4,64}")
RECORDS_SHOWN_MAX: Final = 20
OLD_SCHEMA: Final = (
    "an earlier release parked this batch and kept no messages of it: export it, or drop it"
)


class _NoSuchBatchError(Exception):
    """What the operator named is not one parked batch."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Parking:
    """Lists, shows, exports, retries and drops. ``uplink`` is None where no cloud is configured.

    Crash: a decision is recorded in the audit log before it is carried out, since the two
    lie in two files. Cut between them, the log says what was asked, and the batch is parked.
    """

    queue: Queue
    state: Engine
    reader: Callable[[], AbstractAsyncContextManager[aiosqlite.Connection]]
    uplink: Uplink | None

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the control socket."""
        return [
            web.get("/v1/parked", self.list),
            web.post("/v1/parked/resume", self.resume),
            web.get("/v1/parked/{name}", self.show),
            web.post("/v1/parked/{name}/export", self.export),
            web.post("/v1/parked/{name}/retry", self.retry),
            web.post("/v1/parked/{name}/drop", self.drop),
        ]

    async def noted(self, sha256: str, reason: str) -> None:
        """Record that the gateway parked a batch."""
        await self._audit(GATEWAY, Action.BATCH_PARKED, sha256, {"status": reason[:3]})

    async def list(self, _: web.Request) -> web.Response:
        """What is parked, oldest first, and whether parking has stopped."""
        async with self.reader() as db:
            found = await sealed.parked(db)
        return reply(
            {
                "batches": [_facts(one) for one in found],
                "bytes": sum(one.body_bytes + one.message_bytes for one in found),
                "bytes_max": self.queue.config.uplink.parked_bytes_max,
                "tripped": self.uplink.refusals.why if self.uplink else "",
            }
        )

    async def show(self, request: web.Request) -> web.Response:
        """One batch: why it is parked, which messages it holds, and its first records."""
        try:
            async with self.reader() as db:
                one = await _named(db, request)
                messages = await sealed.manifest(db, one.sha256)
                kept = await sealed.batch(db, one.sha256, self.queue.cipher)
        except _NoSuchBatchError as error:
            return reply({"error": str(error)}, error.status)
        shown: dict[str, object] = {"records": [], "unreadable": True}
        if isinstance(kept, store.SealedBatch):
            document = reading.opened(kept.body)
            shown = {
                "contract": document.contract,
                "privacy": document.privacy,
                "records": reading.records(document, RECORDS_SHOWN_MAX),
                "unreadable": False,
            }
        return reply({**_facts(one), **shown, "messages": [_range(span) for span in messages]})

    async def export(self, request: web.Request) -> web.Response:
        """The bytes of one batch, as they were sent."""
        try:
            async with self.reader() as db:
                one = await _named(db, request)
                kept = await sealed.batch(db, one.sha256, self.queue.cipher)
        except _NoSuchBatchError as error:
            return reply({"error": str(error)}, error.status)
        if not isinstance(kept, store.SealedBatch):
            return reply({"error": "its bytes do not open any more: drop it"}, 409)
        await self._audit(OPERATOR, Action.BATCH_EXPORTED, one.sha256, {"rows": one.rows})
        return web.Response(body=kept.body, content_type="application/octet-stream")

    async def retry(self, request: web.Request) -> web.Response:
        """Let a parked batch wait again, with the same bytes."""
        try:
            async with self.reader() as db:
                one = await _named(db, request)
        except _NoSuchBatchError as error:
            return reply({"error": str(error)}, error.status)
        await self._audit(OPERATOR, Action.BATCH_RETRIED, one.sha256, {"rows": one.rows})
        if not await self.queue.spool.write(store.unpark, one.sha256):
            return reply({"error": OLD_SCHEMA}, 409)
        self.queue.point("after-retry")
        await self._news()
        return reply({"batch": one.sha256, "outcome": Outcome.SEALED.value, "rows": one.rows})

    async def drop(self, request: web.Request) -> web.Response:
        """Give a parked batch up: its messages end as shed."""
        try:
            async with self.reader() as db:
                one = await _named(db, request)
        except _NoSuchBatchError as error:
            return reply({"error": str(error)}, error.status)
        await self._audit(OPERATOR, Action.BATCH_DROPPED, one.sha256, {"rows": one.rows})
        now = self.queue.clock.site()
        await self.queue.spool.write(
            store.drop_parked, one.sha256, Outcome.SHED, now, why="operator"
        )
        self.queue.point("after-drop")
        await self._news()
        return reply({"batch": one.sha256, "outcome": Outcome.SHED.value, "rows": one.rows})

    async def resume(self, _: web.Request) -> web.Response:
        """Let refused batches be parked again."""
        if self.uplink is None:
            return reply({"error": "no cloud is configured: there is nothing to resume"}, 409)
        why = self.uplink.refusals.why
        now = self.queue.clock.site()

        def unit(db: sqlite3.Connection) -> None:
            audit(db, now, OPERATOR, Action.UPLINK_RESUMED, "uplink", {"tripped": why})
            raise_floor(db, RESUMED, now)

        await self.state.write(unit)
        self.queue.resumed = now
        self.uplink.resume()
        await self._news()
        return reply({"resumed": True, "tripped": why})

    async def _news(self) -> None:
        self.queue.bell.ring()
        self.queue.changed()
        if self.uplink is not None:
            await self.uplink.tell_parked()

    async def _audit(
        self, actor: str, action: Action, subject: str, detail: Mapping[str, int | str]
    ) -> None:
        now = self.queue.clock.site()
        await self.state.write(audit, now, actor, action, subject, detail)


async def resumed(state: Engine) -> SiteTime:
    """Return when an operator last let parking go on, 0 if never."""
    return SiteTime((await state.write(floors)).get(RESUMED, 0))


async def _named(db: aiosqlite.Connection, request: web.Request) -> Parked:
    name = request.match_info["name"]
    if NAME.fullmatch(name) is None:
        text = f"{name!r} is no digest: give 4 to 64 of 0-9 and a-f, as 'parked list' prints them"
        raise _NoSuchBatchError(text, 422)
    found = await sealed.parked(db, name)
    if not found:
        text = f"no parked batch begins with {name}: 'spool parked list' names them"
        raise _NoSuchBatchError(text, 404)
    if len(found) > 1:
        text = f"{len(found)} parked batches begin with {name}: give more of the digest"
        raise _NoSuchBatchError(text, 422)
    return found[0]


def _facts(one: Parked) -> dict[str, object]:
    return {
        "batch": one.sha256,
        "class": one.message_class.value,
        "rows": one.rows,
        "items": one.items,
        "sealed_ms": one.sealed,
        "parked_ms": one.parked,
        "reason": one.reason,
        "body_bytes": one.body_bytes,
        "message_bytes": one.message_bytes,
    }


def _range(span: sealed.Range) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(span)
    return found
