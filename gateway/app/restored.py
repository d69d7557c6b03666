"""What stands on a site that was restored from a backup, until an operator confirms it."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from gateway.app.control import reply
from gateway.app.voices import Voices
from gateway.health.audit import audit, last_of
from gateway.identity import keystore
from gateway.identity.problems import RESTORE_UNCONFIRMED
from gateway.model.audit import OPERATOR, Action
from gateway.model.problem import Raised
from gateway.store.sqlite import Engine

SUBJECT = "site"


@dataclass(frozen=True, slots=True)
class Restores:
    """Says that the site was restored, and hears the operator."""

    state: Engine
    voices: Voices
    site: str

    async def say(self) -> None:
        """Report the problem if nobody has confirmed the last restore."""

        def unit(db: sqlite3.Connection) -> str | None:
            if not keystore.unconfirmed(db):
                return None
            entry = last_of(db, Action.BACKUP_RESTORED, self.site)
            return _loss(int(entry.detail["backup_ms"])) if entry else ""

        detail = await self.state.write(unit)
        if detail is not None:
            self.voices.report(Raised(RESTORE_UNCONFIRMED, SUBJECT, detail))

    def routes(self) -> list[web.RouteDef]:
        """Return the paths of the control socket."""
        return [web.post("/v1/restore/confirm", self._confirm)]

    async def _confirm(self, _: web.Request) -> web.Response:
        """Take the restore as checked; 409 where there is none to confirm."""
        if not await self.state.write(keystore.unconfirmed):
            return reply({"error": "no restore waits to be confirmed"}, 409)
        now = self.voices.clock.site()

        def unit(db: sqlite3.Connection) -> None:
            keystore.confirm(db)
            audit(db, now, OPERATOR, Action.RESTORE_CONFIRMED, self.site)

        await self.state.write(unit)
        self.voices.clear(RESTORE_UNCONFIRMED, SUBJECT)
        return reply({"confirmed": True})


def _loss(created_ms: int) -> str:
    moment = datetime.fromtimestamp(created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"from the backup of {moment}: what was receipted after it and not delivered is lost, and "
        "what was delivered after it may be delivered again"
    )
