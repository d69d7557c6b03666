"""One process owns a site's state; the kernel frees the lock however that process dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.model.errors import OperatorFaultError, RefusedError
from gateway.store.lock import StateLockedError, hold

HOLDER = """
import sys
from pathlib import Path
from gateway.store.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path):
    path = tmp_path / "lock"
    with holder(path) as first:
        says = f"held by process {first.pid}: a gateway runs"
        with pytest.raises(StateLockedError, match=says), hold(path):
            pass
        first.communicate()


def test_a_refusal_is_a_decision_and_changes_nothing(tmp_path: Path):
    path = tmp_path / "lock"
    with hold(path):
        for _ in range(2):
            with pytest.raises(RefusedError, match=f"process {os.getpid()}"), hold(path):
                pass


def test_the_lock_is_free_after_the_block_and_after_an_error_in_it(tmp_path: Path):
    path = tmp_path / "lock"
    with pytest.raises(ValueError, match="invalid literal"), hold(path):
        int("x")
    with hold(path):
        pass


def test_a_killed_holder_frees_the_lock(tmp_path: Path):
    path = tmp_path / "lock"
    with holder(path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        with hold(path):
            assert path.read_text() == f"{os.getpid()}\n"
        first.communicate()


def test_a_program_that_the_holder_started_does_not_keep_the_lock(tmp_path: Path):
    """The managed broker may outlive the gateway by a moment: it must not hold the state."""
    path = tmp_path / "lock"
    with hold(path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with hold(path):
        pass
    child.communicate(b"\n")


def test_a_lock_file_of_nobody_says_another_process(tmp_path: Path):
    assert "another process" in str(StateLockedError(tmp_path / "lock", ""))


def test_only_the_owner_may_open_the_lock_file(tmp_path: Path):
    with hold(tmp_path / "lock"):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("folder", ["nowhere", "file"])
def test_a_folder_that_cannot_be_entered_is_the_operators_to_mend(tmp_path: Path, folder: str):
    (tmp_path / "file").touch()
    says = r"lock cannot be written: .*: check the folder's owner and rights"
    with pytest.raises(OperatorFaultError, match=says), hold(tmp_path / folder / "lock"):
        pass


def test_a_full_disk_is_the_operators_to_mend_and_leaves_the_lock_free(tmp_path: Path):
    """SIGXFSZ is ignored by Python, so the write itself fails, as on a full disk."""
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from gateway.model.errors import OperatorFaultError\n"
        "from gateway.store.lock import hold\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    with hold(Path(sys.argv[1])): pass\n"
        "except OperatorFaultError as error: print(error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9999, resource.RLIM_INFINITY))\n"
        "with hold(Path(sys.argv[1])): print('held')\n"
    )
    path = tmp_path / "lock"
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True
    )
    first, second = ran.stdout.splitlines()
    assert first.startswith(f"{path} cannot be written: File too large: check the folder's")
    assert second == "held"


def test_an_error_of_the_block_is_not_taken_for_one_of_the_lock(tmp_path: Path):
    with pytest.raises(FileNotFoundError), hold(tmp_path / "lock"):
        (tmp_path / "nowhere").read_text()
