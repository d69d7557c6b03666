"""The queue's file while the site serves: what was lost before, and damage that shows up now.

When a read or a write finds the file damaged, the site's services end in order and begin
again in the same process; ``queuefile.prepare`` then sets the file aside. Seconds, no data
that could still be read, and no trust are lost with it.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from gateway.app import queuefile
from gateway.app.opened import Opened
from gateway.app.queuefile import QueueDamagedError
from gateway.app.voices import Voices
from gateway.model.problem import Raised
from gateway.model.time import Clock, SiteTime
from gateway.store import lives, pages
from gateway.store.problems import QUEUE_DAMAGED

LOG = logging.getLogger(__name__)

TOLD_MS: Final = 7 * 86_400_000
TOLD_AGAIN_S: Final = 3_600.0
LOOK_EVERY_S: Final = 7 * 86_400.0
SET_ASIDE_AN_HOUR_MAX: Final = 3
"""Beyond it the disk is failing, and every new file would only be damaged in its turn."""
SUBJECT: Final = "spool.db"


async def reopening(serve: Callable[[], Awaitable[None]]) -> None:
    """Serve the site, and again from its opening on whenever the queue's file was damaged."""
    damaged = True
    while damaged:
        damaged = False
        try:
            await serve()
        except* QueueDamagedError as found:
            LOG.error("event=queue-damaged %s: opening the site again", found.exceptions[0])  # noqa: TRY400 -- no bug
            damaged = True


async def tell(files: Opened, voices: Voices) -> NoReturn:
    """Show what was lost with files that were set aside, for some days; then delete them.

    Privacy:
        Retention does not reach into such a file, so it must not stay longer than that.
    """
    told: set[str] = set()
    while True:
        async with files.state.reader() as db:
            since = SiteTime(files.clock.site() - TOLD_MS)
            found = await lives.ended(db, since)
        standing = {one.set_aside or f"{SUBJECT} {one.generation}": one.loss for one in found}
        for subject in told - set(standing):
            voices.clear(QUEUE_DAMAGED, subject)
        for subject, loss in standing.items():
            voices.report(Raised(QUEUE_DAMAGED, subject, loss))
        told = set(standing)
        queuefile.forget(files.places.spool_db, {one.generation for one in found})
        await files.clock.sleep(TOLD_AGAIN_S)


async def look(files: Opened) -> None:
    """Read all pages after a process that did not end in order, and then once a week."""
    if files.queue_file.checked:
        await _sleep(files.clock, LOOK_EVERY_S)
    while True:
        async with files.spool.reader() as db:
            said = await pages.damage(db)
        if said:
            LOG.error("event=queue-damaged %s", said)
            files.spool.damaged.set()
        await _sleep(files.clock, LOOK_EVERY_S)


async def watch(files: Opened, voices: Voices) -> NoReturn:
    """Wait for damage to show up, and end the site's services for it.

    Raises:
        QueueDamagedError: the queue's file is damaged.
    """
    await files.spool.damaged.wait()
    now, generation = files.clock.site(), files.queue_file.generation
    async with files.state.reader() as db:
        lately = await lives.ended(db, SiteTime(now - queuefile.HOUR_MS))
    if len(lately) >= SET_ASIDE_AN_HOUR_MAX:
        detail = f"set aside {len(lately)} times within an hour: the disk is failing, replace it"
        voices.report(Raised(QUEUE_DAMAGED, SUBJECT, detail))
        await _sleep(files.clock, 2 * queuefile.HOUR_MS / 1_000)
    raise QueueDamagedError(generation)


async def _sleep(clock: Clock, seconds: float) -> None:
    """Sleep for longer than a clock sleeps at once."""
    end = clock.now() + seconds
    while clock.now() < end:
        await clock.sleep(end - clock.now())
