"""What has outlived its retention: how much went, and what is still there. For the proof."""

import aiosqlite

from gateway.model.outcome import Outcome
from gateway.model.time import SiteTime


async def expired(db: aiosqlite.Connection) -> dict[str, int]:
    """Return how many messages of each class have ever expired in this queue."""
    rows = await db.execute_fetchall(
        "SELECT class, messages FROM tally WHERE outcome = ?", (Outcome.EXPIRED.value,)
    )
    return {str(name): int(messages) for name, messages in rows}


async def remaining(db: aiosqlite.Connection, until: SiteTime) -> tuple[int, int]:
    """Return how many messages were due at ``until`` and wait all the same: free, and sealed.

    A sealed batch is not opened again: its messages go with it.
    """
    rows = await db.execute_fetchall(
        "SELECT batch IS NULL, count(*) FROM message WHERE expires_ms <= ? GROUP BY 1", (until,)
    )
    found = {bool(free): int(count) for free, count in rows}
    return found.get(True, 0), found.get(False, 0)
