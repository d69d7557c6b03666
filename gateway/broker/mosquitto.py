"""Debian's mosquitto as a child process: its files, its start, its end."""

import asyncio
import json
import os
import pwd
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.broker.files import Paths, mosquitto_conf
from gateway.broker.limits import BrokerLimits
from gateway.broker.roles import Document
from gateway.broker.words import heard
from gateway.model.errors import OperatorFaultError

PLUGIN_NAME = "mosquitto_dynamic_security.so"
STOP_LIMIT_S = 5.0
LOG_LINES_KEPT = 20


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


class Mosquitto:
    """One running broker. It dies with this process, however this process dies."""

    def __init__(
        self, process: asyncio.subprocess.Process, at: Path, hear: Callable[[str], None]
    ) -> None:
        self._process = process
        self._at = at
        self._hear = hear
        self.said: list[str] = []

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @classmethod
    async def start(
        cls, conf: Path, at: Path, hear: Callable[[str], None] = lambda _: None
    ) -> "Mosquitto":
        """Start the broker. Returning does not mean that it serves yet: see ``serves``.

        ``hear`` gets each line that it says, while ``ended`` runs.

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
        process = await asyncio.create_subprocess_exec(
            str(programs["setpriv"]),
            "--pdeathsig",
            "KILL",
            str(programs["mosquitto"]),
            "-c",
            str(conf),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(process, at, hear)

    def serves(self) -> bool:
        """Say whether its unix socket accepts connections."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._at))
            except OSError:
                return False
        return True

    async def ended(self) -> int:
        """Return its exit code when it has ended, keeping the last that was no routine."""
        stream = self._process.stderr
        if stream is not None:
            async for raw in stream:
                line = raw.decode("utf-8", "replace")
                self._hear(line)
                if (words := heard(line)) is not None:
                    self.said.append(words.text)
                    del self.said[:-LOG_LINES_KEPT]
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
