from pathlib import Path

import pytest

from tests.support.certificates import Bench, site_bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return site_bench(tmp_path / "plant-a")
