from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud


@pytest.fixture(scope="session")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One server for all tests that only send; each of them sends bodies of its own."""
    cloud = Cloud(tmp_path_factory.mktemp("cloud"))
    cloud.init()
    cloud.start()
    yield cloud
    assert cloud.close() == 0


@pytest.fixture
def cloud(shared_cloud: Cloud) -> Iterator[Cloud]:
    yield shared_cloud
    shared_cloud.run("fault", "none")
    shared_cloud.run("wan", "up")


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A folder with keys, for tests that start and kill servers."""
    cloud = Cloud(tmp_path)
    cloud.init()
    yield cloud
    cloud.close()
