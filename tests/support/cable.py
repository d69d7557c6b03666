"""Two throw-away network namespaces and the cable between them.

with Cable(folder) as cable:
    cable.line(SATELLITE)
    with cable.inside(cable.site):
        ...  # sockets, threads and processes that begin here live there
    cable.line(OFFLINE)  # returns when it is in force
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.simulators import wire
from tests.simulators.wire import Line

CLEAN = Line()
OFFLINE = Line(cut=True)
SATELLITE = Line(delay_s=0.575, jitter_s=0.05, loss=0.02)
"""600 ms give or take 25, one way, and 2 % loss."""
MOBILE_3G = Line(delay_s=0.1, bits_per_s=700_000)
CLOUD_ADDRESS = "10.99.0.2"


class Cable:
    """The site's end and the cloud's end; use as ``with``. Needs root."""

    def __init__(self, folder: Path) -> None:
        self._control = folder / "line.json"
        self.site, self.cloud = (f"sg-{end}-{os.getpid()}" for end in ("site", "cloud"))
        self._wire: subprocess.Popen[str] | None = None
        self._readings = 0

    def line(self, line: Line) -> None:
        """Let the line be so from now on."""
        draft = self._control.with_suffix(".new")
        draft.write_text(json.dumps(asdict(line)))
        draft.replace(self._control)
        if self._wire is not None:
            self._wire.send_signal(signal.SIGHUP)
            self._read()

    def _read(self) -> None:
        assert self._wire is not None
        assert self._wire.stdout is not None
        self._readings += 1
        assert self._wire.stdout.readline() == f"line {self._readings}\n"

    @contextmanager
    def inside(self, namespace: str) -> Iterator[None]:
        """Let this thread, and what it starts meanwhile, live in ``namespace``."""
        home = wire.enter(namespace)
        try:
            yield
        finally:
            wire.move(home)
            os.close(home)

    def __enter__(self) -> Self:
        try:
            for name in (self.site, self.cloud):
                subprocess.run(["ip", "netns", "add", name], check=True)
                with self.inside(name):
                    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            self.line(CLEAN)
            program = (sys.executable, str(Path(wire.__file__)))
            ends = (self.site, "10.99.0.1/24", self.cloud, f"{CLOUD_ADDRESS}/24")
            self._wire = subprocess.Popen(
                [*program, *ends, str(self._control)], stdout=subprocess.PIPE, text=True
            )
            assert self._wire.stdout is not None
            assert self._wire.stdout.readline() == "ready\n"
            self._read()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End the wire, and the namespaces with it."""
        if self._wire is not None:
            self._wire.kill()
            self._wire.wait()
            if self._wire.stdout is not None:
                self._wire.stdout.close()
        for name in (self.site, self.cloud):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
