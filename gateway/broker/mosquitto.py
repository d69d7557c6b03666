"""Debian's mosquitto as a child process: its files, its start, its end."""

import asyncio
import contextlib
import fcntl
import json
import os
import pwd
import resource
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from gateway.broker.denials import listen
from gateway.broker.files import Paths, mosquitto_conf
from gateway.broker.limits import BrokerLimits
from gateway.broker.roles import Document
from gateway.broker.words import Words
from gateway.model.errors import OperatorFaultError

PLUGIN_NAME = "mosquitto_dynamic_security.so"
STOP_LIMIT_S = 5.0
LOG_LINES_KEPT = 20
PIPE_BYTES = 1_048_576
"""The most that Linux gives everybody; a tenth of a second of a full load's debug lines."""
READ_EVERY_S = 0.05
"""Many lines at one wake of the loop, unless so many have come that the pipe might fill."""
MANY_BYTES = 65_536


class BrokerError(OperatorFaultError):
    """The broker cannot be started; the message says what is missing or what it said."""


class Certificates(msgspec.Struct, frozen=True):
    """Files of the site's CA and of the server, PEM."""

    ca: Path
    certificate: Path
    key: Path


def _find_plugin() -> Path:
    for folder in sorted(Path("/usr/lib").glob("*-linux-gnu")):
        if (folder / PLUGIN_NAME).exists():
            return folder / PLUGIN_NAME
    msg = f"{PLUGIN_NAME} is not below /usr/lib: install Debian's package mosquitto"
    raise BrokerError(msg)


def write_files(
    folder: Path, limits: BrokerLimits, certificates: Certificates, access: Document, at: Path
) -> Path:
    """Write ``mosquitto.conf`` and ``dynsec.json`` (0600) into ``folder`` and return the former.

    ``at`` is the unix socket on which the gateway will talk to the broker.

    Raises:
        BrokerError: the disk refused a file, or the plugin is not installed.
    """
    try:
        return _write_files(folder, limits, certificates, access, at)
    except OSError as error:
        msg = f"the broker's files cannot be written into {folder}: {error.strerror}"
        raise BrokerError(msg) from error


def _write_files(
    folder: Path, limits: BrokerLimits, certificates: Certificates, access: Document, at: Path
) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    at.unlink(missing_ok=True)  # a killed broker leaves its socket behind
    dynsec = folder / "dynsec.json"
    conf = mosquitto_conf(
        limits,
        Paths(
            user=pwd.getpwuid(os.geteuid()).pw_name,
            plugin=str(_find_plugin()),
            dynsec=str(dynsec.absolute()),
            socket=str(at),
            ca=str(certificates.ca.absolute()),
            certificate=str(certificates.certificate.absolute()),
            key=str(certificates.key.absolute()),
        ),
    )
    for path, text in ((dynsec, json.dumps(access, indent=1)), (folder / "mosquitto.conf", conf)):
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    return folder / "mosquitto.conf"


class _Voice(asyncio.Protocol):
    """What the broker says, read in large pieces; ``over`` is set when it has ended."""

    def __init__(self, hear: Callable[[Words], None]) -> None:
        self._hear = hear
        self._rest = b""
        self._transport: asyncio.ReadTransport | None = None
        self.over = asyncio.Event()
        self.last: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None and len(data) < MANY_BYTES:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(READ_EVERY_S, self._transport.resume_reading)
        words, self._rest = listen(self._rest, data)
        for one in words:
            self._hear(one)
            self.last.append(one.text)
        del self.last[:-LOG_LINES_KEPT]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.over.set()


class Mosquitto:
    """One running broker. It dies with this process, however this process dies."""

    def __init__(self, process: asyncio.subprocess.Process, at: Path, voice: _Voice) -> None:
        self._process = process
        self._at = at
        self._voice = voice

    @property
    def said(self) -> list[str]:
        """The last that it said and that was no routine."""
        return self._voice.last

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @classmethod
    async def start(
        cls,
        conf: Path,
        at: Path,
        hear: Callable[[Words], None] = lambda _: None,
        memory_bytes_max: int = resource.RLIM_INFINITY,
    ) -> "Mosquitto":
        """Start the broker. Returning does not mean that it serves yet: see ``serves``.

        ``hear`` gets what it says that is no routine. At ``memory_bytes_max`` it gets no more
        memory, and disconnects whoever needs some: large packets first.

        Raises:
            BrokerError: mosquitto or setpriv is not installed.
        """
        search = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        programs = {name: shutil.which(name, path=search) for name in ("mosquitto", "setpriv")}
        for name, path in programs.items():
            if path is None:
                package = {"setpriv": "util-linux"}.get(name, name)
                msg = f"{name} is not installed: install Debian's package {package}"
                raise BrokerError(msg)
        ours, its = _pipe()
        try:
            loop = asyncio.get_running_loop()
            _, voice = await loop.connect_read_pipe(lambda: _Voice(hear), ours)
            process = await asyncio.create_subprocess_exec(
                str(programs["setpriv"]),
                "--pdeathsig",
                "KILL",
                str(programs["mosquitto"]),
                "-c",
                str(conf),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=its,
            )
            with contextlib.suppress(ProcessLookupError):  # it ended at once, and says why
                # Not mosquitto's own memory_limit: 2.0.11 miscounts with dynamic-security.
                bound = memory_bytes_max, memory_bytes_max
                resource.prlimit(process.pid, resource.RLIMIT_DATA, bound)
        finally:
            os.close(its)  # with the broker's own copy ends what is read
        return cls(process, at, voice)

    def serves(self) -> bool:
        """Say whether its unix socket accepts connections."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._at))
            except OSError:
                return False
        return True

    async def ended(self) -> int:
        """Return its exit code when it has ended and its last words were heard."""
        await self._voice.over.wait()
        return await self._process.wait()

    async def stop(self) -> None:
        """End it: politely, then for certain."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(STOP_LIMIT_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._voice.over.wait()


def _pipe() -> tuple[BinaryIO, int]:
    """Return both ends of a pipe, the second one for the broker to write to.

    mosquitto has one thread: if a full pipe stopped it in its words, a gateway that stands
    still for a moment would stop all devices. So writing to it does not wait; what does not
    fit is lost, whole lines of it (``pipe(7)``: up to ``PIPE_BUF`` bytes go in as a whole).
    """
    ours, its = os.pipe()
    os.set_blocking(its, False)
    with contextlib.suppress(OSError):  # as large as it was: its user has used up his share
        fcntl.fcntl(its, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return os.fdopen(ours, "rb", buffering=0), its
