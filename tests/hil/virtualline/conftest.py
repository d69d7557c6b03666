from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hil.virtualline.running import Line


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Line]]:
    """Start lines on one folder; whatever a test leaves running is killed."""
    lines: list[Line] = []

    def begin(*arguments: str, **options: Any) -> Line:
        lines.append(Line(tmp_path / "site", *arguments, **options))
        return lines[-1]

    yield begin
    for line in lines:
        line.close()
