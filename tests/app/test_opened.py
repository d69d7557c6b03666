"""What is opened belongs to this user alone, and to one gateway alone."""

import os
from pathlib import Path

import pytest

from gateway.app.opened import opened, private_folder
from gateway.config import Config, parse
from gateway.model.errors import OperatorFaultError
from gateway.store.lock import StateLockedError, hold


def config(folder: Path) -> Config:
    text = (
        '[site]\nname = "plant-a"\naddresses = ["127.0.0.1"]\nstate_dir = "state"\n'
        'runtime_dir = "/tmp/x"\nprofiles_dir = "profiles"\n'
    )
    return parse(text.encode(), "gateway.toml", folder)


def test_a_folder_for_sockets_is_made_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "deep" / "run"
    for _ in range(2):
        private_folder(path)
    assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777])
def test_a_folder_that_others_may_enter_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
):
    path = tmp_path / "run"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(OperatorFaultError, match=f"open to other users: chmod 700 {path}"):
        private_folder(path)


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OperatorFaultError, match="does not belong to this user"):
        private_folder(tmp_path / "run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path):
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    os.chown(path, 65_534, -1)
    with pytest.raises(OperatorFaultError, match=r"set site\.runtime_dir to another folder"):
        private_folder(path)


async def test_a_site_that_was_never_made_says_how_to_make_it(tmp_path: Path):
    with pytest.raises(OperatorFaultError, match="state is not there: make the site with"):
        async with opened(config(tmp_path)):
            pass


async def test_a_second_gateway_on_the_same_state_is_refused_before_it_touches_anything(
    tmp_path: Path,
):
    state = tmp_path / "state"
    state.mkdir()
    with hold(state / "lock"), pytest.raises(StateLockedError, match="a gateway runs on this"):
        async with opened(config(tmp_path)):
            pass
    assert [path.name for path in state.iterdir()] == ["lock"]
