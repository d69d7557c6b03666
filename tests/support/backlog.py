"""What an outage leaves: a queue full of messages, put there as the gateway's own program does."""

from collections.abc import Sequence

from gateway.app.opened import opened
from gateway.config import load
from gateway.model.message import Message
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool import store
from tests.support.site import PROFILE, Site
from tests.support.spooled import message

A_COMMIT = 10_000


async def pile_up(
    site: Site, rows: int, classes: Sequence[MessageClass], devices: int, age_s: int = 0
) -> None:
    """Keep ``rows`` messages in the queue of a site that stands still, ``classes`` in turn."""
    async with opened(load(site.config)) as files:
        contract = files.catalogue[PROFILE][1]
        now = SiteTime(files.clock.site() - age_s * 1000)

        def made(number: int) -> Message:
            device, place = f"cam-{number % devices:02d}", number // devices + 1
            of = classes[number % len(classes)]
            return message(place, of, contract=contract, device=device)

        for first in range(0, rows, A_COMMIT):
            some = [made(number) for number in range(first, min(rows, first + A_COMMIT))]
            await files.spool.write(store.enqueue, some, now, files.contracts, files.keys.cipher)
