"""Jobs that go on when the disk refuses: a full disk must not take the status page down."""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import NoReturn

from gateway.app.session import AGAIN_AFTER_WRITE_FAILURE_S
from gateway.app.voices import Voices


async def patiently(begin: Callable[[], Awaitable[None]], file: str, voices: Voices) -> NoReturn:
    """Run a job until cancelled, and begin it anew when ``file`` could not be written.

    What failed is not stored, so the job finds it as it was. Whoever next writes the file
    clears the problem.
    """
    while True:
        try:
            await begin()
        except sqlite3.Error as error:
            voices.refused(file, error)
        await voices.clock.sleep(AGAIN_AFTER_WRITE_FAILURE_S)
