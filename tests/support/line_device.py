"""The reference device as a process: ``python -m hil.linedevice`` on a folder of ``device add``."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.site import ROOT

STOP_LIMIT_S = 20.0


class LineDevice:
    """One process at a time on ``folder``; use as ``with``. ``said`` are its events so far."""

    def __init__(self, folder: Path, *, rate_hz: float = 10, defects: float = 0.3) -> None:
        self.folder = folder
        self._options = ("--rate", f"{rate_hz:g}", "--defects", f"{defects:g}", "--seed", "7")
        self._log = folder / "device.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hil.linedevice", self.folder, "--json", *self._options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def said(self) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.said if event["event"] == name]

    def stop(self) -> dict[str, Any]:
        """End it as a service manager does; return its last words, with what it counted."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(STOP_LIMIT_S) == 0, self._log.read_text()[-2000:]
        return self.events("stopped")[-1]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._log.exists():
            error.add_note(f"the device's log ends:\n{self._log.read_text()[-2000:]}")
        if self.process is not None and self.process.poll() is None:
            self.kill()
