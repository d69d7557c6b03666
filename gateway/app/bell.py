"""Wake who waits for news, without telling what the news is."""

import asyncio


class Bell:
    """One listener: ``ring`` ends its ``wait``, also when it rang before the wait began."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the listener's wait."""
        self._rung.set()

    def silence(self) -> None:
        """Forget earlier rings."""
        self._rung.clear()

    async def wait(self, seconds: float) -> None:
        """Return when it rings, or after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._rung.clear()
