"""What the tests of the intake share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The intake's transaction on a file of its own."""
    async with Desk(tmp_path / "spool.db") as opened:
        yield opened
