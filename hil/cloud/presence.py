"""Is a server on this folder, and what does it say of itself? Seen from another process."""

import fcntl
import time
from pathlib import Path
from typing import Final

import msgspec

from hil.cloud.mode import Wan

POLL_PERIOD_S: Final = 0.02


class Serving(msgspec.Struct, frozen=True):
    """The whole of serving.json."""

    port: int
    pid: int
    wan: Wan


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
