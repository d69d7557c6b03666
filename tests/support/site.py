"""A whole site on this machine: made by ``init``, served by a real ``run``, gone afterwards.

    with Site() as site:
        site.start()
        folder = site.device("cam-01")
        ...
        site.kill()                 # SIGKILL; start() again goes on
        assert site.stop() == 0     # SIGTERM, as a service manager ends it

All of it lies in one short folder of its own, on free ports of 127.0.0.1. Nothing here
waits for time: ``start`` returns when the control socket answers and the broker runs, and
``until`` waits for anything else that the status document shows.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.hil.cloud.stand_in import Cloud
from tests.support.ports import free_port
from tests.support.processes import children, runs
from tests.support.until import until

ROOT = Path(__file__).parents[2]
GATEWAY = (sys.executable, "-m", "gateway")
PROFILE = "virtual-camera"
START_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
COMMAND_LIMIT_S = 60.0
LOG_SHOWN_CHARS = 6_000

Document = dict[str, Any]


class NotAnsweringError(Exception):
    """Nothing answers on the control socket now."""


class Site:
    """One site; use as ``with``.

    ``cloud`` is a stand-in that serves already, and becomes the uplink. ``program`` begins
    the command of ``run``: another python program with the same arguments can stand in for
    the gateway, to end itself at a named point. ``options`` are added to ``init``.
    """

    def __init__(
        self,
        *,
        name: str = "plant-a",
        cloud: Cloud | None = None,
        cloud_host: str = "127.0.0.1",
        program: Sequence[str] = GATEWAY,
        options: Sequence[str] = (),
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sg-"))
        self.name = name
        self.cloud = cloud
        self.cloud_host = cloud_host
        self.program = program
        self.mqtt_port, self.web_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self._init(options)
        except BaseException:
            self.close()
            raise

    # Places.

    @property
    def config(self) -> Path:
        """gateway.toml."""
        return self.folder / "gateway.toml"

    @property
    def state_dir(self) -> Path:
        """Databases, certificates and keys."""
        return self.folder / "state"

    @property
    def runtime_dir(self) -> Path:
        """Sockets."""
        return self.folder / "run"

    @property
    def control_socket(self) -> Path:
        """Where commands reach the running gateway."""
        return self.runtime_dir / "control.sock"

    @property
    def broker_socket(self) -> Path:
        """Where the gateway reaches the broker that it manages."""
        return self.runtime_dir / "broker.sock"

    @property
    def log_file(self) -> Path:
        """What all runs of the gateway said, on both of their outputs."""
        return self.folder / "gateway.log"

    # Making.

    def _init(self, options: Sequence[str]) -> None:
        made = self.command(
            *("init", "--name", self.name, "--ip", "127.0.0.1"),
            *("--runtime-dir", str(self.runtime_dir), "--state-dir", str(self.state_dir)),
            *("--broker-port", str(self.mqtt_port), "--web-port", str(self.web_port)),
            *self._uplink(),
            *options,
        )
        assert made.returncode == 0, made.stderr

    def _uplink(self) -> list[str]:
        if self.cloud is None:
            return []
        folder = self.cloud.folder
        return [
            *("--recovery-key", str(folder / "recovery-public.pem")),
            *("--uplink-url", f"https://{self.cloud_host}:{self.cloud.serving.port}"),
            *("--uplink-ca", str(folder / "ca.pem")),
            *("--uplink-certificate", str(folder / "gateway-cert.pem")),
            *("--uplink-key", str(folder / "gateway-key.pem")),
        ]

    def configure(self, section: str, **values: str | float | bool) -> None:
        """Set keys of one section of gateway.toml; the next start reads them."""
        kept: list[str] = []
        inside = False
        for line in self.config.read_text().splitlines():
            if line.startswith("["):
                inside = line.strip() == f"[{section}]"
            if not (inside and line.partition("=")[0].strip() in values):
                kept.append(line)
            if inside and line.startswith("["):
                kept += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        self.config.write_text("\n".join(kept) + "\n")

    def command(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run ``site-gateway`` with ``arguments`` on this site, and return how it ended."""
        return subprocess.run(
            [*GATEWAY, "--config", str(self.config), *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=check,
        )

    def device(self, name: str, *, profile: str = PROFILE) -> Path:
        """Return the folder of device ``name``, enrolled now if it is new."""
        out = self.folder / "devices" / name
        if not out.exists():
            done = self.command("device", "add", name, "--profile", profile, "--out", str(out))
            assert done.returncode == 0, done.stderr
        return out

    # Running.

    def launch(self, *, program: Sequence[str] | None = None) -> subprocess.Popen[bytes]:
        """Start the gateway and return at once."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*(program or self.program), "--config", str(self.config), "run"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group of its own, to be ended as one
            )
        return self.process

    def start(self, *, program: Sequence[str] | None = None) -> Document:
        """Start the gateway; return the first status that says that the broker runs."""
        process = self.launch(program=program)

        def served() -> Document | None:
            assert process.poll() is None, f"the gateway ended with {process.poll()}:\n{self.log()}"
            try:
                status = self.status()
            except NotAnsweringError:
                return None
            ours = status["pid"] == process.pid and status["broker"]["state"] == "running"
            return status if ours else None

        found = until(served, "a gateway that serves", within_s=START_LIMIT_S)
        assert found is not None
        return found

    def kill(self) -> None:
        """End the gateway with SIGKILL; its broker must follow by itself."""
        assert self.process is not None
        family = children(self.process.pid)
        self.process.kill()
        self.process.wait()
        until(lambda: not any(map(runs, family)), "the children of the gateway end with it")

    def kill_broker(self) -> int:
        """End the managed broker with SIGKILL; return the process id that it had."""
        pid: int | None = self.status()["broker"]["pid"]
        assert pid is not None, "the gateway knows of no broker now"
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the gateway as a service manager does; return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def ended(self, within_s: float = STOP_LIMIT_S) -> int:
        """Wait until the gateway has ended by itself; return its exit code."""
        assert self.process is not None
        return self.process.wait(within_s)

    # Seeing.

    def get(self, path: str) -> bytes:
        """Return the body of ``GET path`` on the control socket.

        Raises:
            NotAnsweringError: no gateway serves it now.
        """
        connection = _UnixConnection(self.control_socket)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotAnsweringError(str(error)) from error
        finally:
            connection.close()
        if answer.status == http.client.SERVICE_UNAVAILABLE:
            raise NotAnsweringError(body.decode())
        assert answer.status == http.client.OK, body
        return body

    def status(self) -> Document:
        """The status document."""
        found: Document = json.loads(self.get("/v1/status"))
        return found

    def trace(self) -> list[Document]:
        """One document a message: device, epoch, stream, seq, class, outcome, batch."""
        return [json.loads(line) for line in self.get("/v1/trace").splitlines()]

    def counter(self, name: str) -> int:
        """A counter of the status document; 0 before it first counts."""
        return int(self.status()["counters"].get(name, 0))

    def of(self, device: str) -> Document:
        """What the status document says of ``device``."""
        found: Document = next(one for one in self.status()["devices"] if one["id"] == device)
        return found

    def until(
        self, see: Callable[[Document], object], what: str, *, within_s: float = 30.0
    ) -> Document:
        """Return the first status for which ``see`` is true, also across a restart."""

        def seen() -> Document | None:
            try:
                status = self.status()
            except NotAnsweringError:
                return None
            return status if see(status) else None

        found = until(seen, what, within_s=within_s)
        assert found is not None
        return found

    def log(self) -> str:
        """Everything that the gateway said so far, in all its runs."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def bug(self) -> str:
        """What the log says from its first traceback on; empty while there is none."""
        before, found, after = self.log().partition("Traceback (most recent call last)")
        return f"{before[-300:]}{found}{after}" if found else ""

    def until_logged(self, words: str, *, after: int = 0, within_s: float = 30.0) -> str:
        """Return the first line of the log, from character ``after`` on, that has ``words``."""

        def line() -> str:
            return next((row for row in self.log()[after:].splitlines() if words in row), "")

        return until(line, f"a log line with {words!r}", within_s=within_s)

    # Leaving.

    def close(self) -> None:
        """End whatever still runs and remove the folder."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(f"the gateway's log ends:\n{self.log()[-LOG_SHOWN_CHARS:]}")
        self.close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("gateway", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
