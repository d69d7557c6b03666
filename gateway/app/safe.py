"""What keeps a site's secrets and its copies: keys, backups, and what a restore left open."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from aiohttp import web

from gateway.app.backup import Backups
from gateway.app.opened import Opened
from gateway.app.rekeying import Rekeying
from gateway.app.restored import Restores
from gateway.app.voices import Voices
from gateway.config import Config


async def safekeeping(
    config: Config,
    files: Opened,
    voices: Voices,
    point: Callable[[str], None],
    stack: AsyncExitStack,
) -> tuple[Rekeying, list[web.RouteDef]]:
    """Return the job that keeps the keys, and the control socket's paths for all of it."""
    reader = await stack.enter_async_context(files.spool.reader())
    rekeying = Rekeying(files.keys, files.state, files.spool, reader, files.clock, voices, point)
    restores = Restores(files.state, voices, config.site.name)
    await restores.say()
    backups = Backups(config, rekeying, files.state, files.clock)
    return rekeying, [*rekeying.routes(), *restores.routes(), *backups.routes()]
