"""A virtual line of stand-ins as its own process, and what a test sees and does to it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.hil.virtualline.programs import alive, online

LIMIT_S = 60


class Line:
    """One supervisor on ``root``; ``said`` grows as it speaks."""

    def __init__(
        self, root: Path, *arguments: str, ready_s: float = LIMIT_S, stop_s: float = 20
    ) -> None:
        self.root = root
        self.said: list[str] = []
        self._heard = threading.Condition()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.hil.virtualline.supervised"),
                *(str(ready_s), str(stop_s), "--dir", str(root), *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._ear = threading.Thread(target=self._listen)
        self._ear.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for row in output:
                with self._heard:
                    self.said.append(row.rstrip())
                    self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()

    def hear(self, words: str, *, after: int = 0) -> str:
        """Wait until a line with ``words`` is said and return it."""
        until = time.monotonic() + LIMIT_S

        def found() -> str | None:
            return next((row for row in self.said[after:] if words in row), None)

        with self._heard:
            while (row := found()) is None:
                assert self.process.poll() is None or self._ear.is_alive(), self.said
                assert time.monotonic() < until, (words, self.said)
                self._heard.wait(0.1)
            return row

    def ready(self) -> str:
        return self.hear("READY").removeprefix("READY ")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(LIMIT_S)
        self._ear.join(LIMIT_S)
        return code

    def close(self) -> None:
        """Kill it, and what it should have taken with it but did not."""
        self.process.kill()
        self.process.wait()
        self._ear.join(LIMIT_S)
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.root) in (folder / "cmdline").read_bytes():
                    kill(int(folder.name))

    @property
    def gateway(self) -> int:
        return int((self.root / "gateway.pid").read_text())

    def device(self, name: str) -> int:
        return int((self.root / "devices" / name / "online").read_text())

    def cloud(self) -> int:
        return int(json.loads((self.root / "cloud" / "serving.json").read_text())["pid"])

    def pids(self) -> set[int]:
        devices = {self.device(f.name) for f in (self.root / "devices").iterdir() if online(f)}
        return {self.gateway, self.cloud()} | devices

    def journal(self) -> list[str]:
        return (self.root / "journal.txt").read_text().splitlines()

    def console(self) -> str:
        return "\n".join(self.said)


def wait_until(what: Callable[[], bool], words: str) -> None:
    """Wait until ``what`` is true, and fail with ``words`` when it never is."""
    until = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < until, words
        time.sleep(0.01)


def gone(pids: set[int]) -> bool:
    """Whether none of ``pids`` runs; a zombie whose parent is slow to look does not run."""
    return not any(alive(pid) and not _zombie(pid) for pid in pids)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
