"""Is a server on this folder, and what does it say of itself? A lock and a file tell."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from hil.cloud.mode import Wan

POLL_PERIOD_S: Final = 0.02
LOCK_TRIES: Final = 20
LOCK_PERIOD_S: Final = 0.05


class AlreadyServedError(Exception):
    """Another server runs on this folder; end that one first."""


class Serving(msgspec.Struct, frozen=True):
    """The whole of serving.json."""

    port: int
    pid: int
    wan: Wan


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder for one server; the lock goes with the process, however it ends.

    Raises:
        AlreadyServedError: another server holds it.
    """
    with (folder / "serve.lock").open("a") as lock:
        # A command that looks whether a server runs holds the lock for an instant.
        for last in (False,) * LOCK_TRIES + (True,):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as fault:
                if last:
                    msg = f"a server runs on {folder} already; end it first"
                    raise AlreadyServedError(msg) from fault
                time.sleep(LOCK_PERIOD_S)
        yield


class Presence:
    """What can be known about the server of ``folder`` without talking to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def running(self) -> bool:
        """Whether a server holds the folder. Its lock tells: a killed server leaves its files."""
        try:
            with (self._folder / "serve.lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def serving(self) -> Serving | None:
        """Return what the running server published, or None while there is none."""
        if not self.running():
            return None
        try:
            return msgspec.json.decode((self._folder / "serving.json").read_bytes(), type=Serving)
        except FileNotFoundError:
            return None

    def wait_for_wan(self, wanted: Wan, within_s: float) -> bool:
        """Wait until a running server has its WAN so; True at once when none runs."""
        deadline = time.monotonic() + within_s
        while self.running():
            serving = self.serving()
            if serving is not None and serving.wan == wanted:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_PERIOD_S)
        return True
