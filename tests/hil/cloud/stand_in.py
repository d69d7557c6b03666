"""A cloud stand-in as its own process, and a client that speaks to it byte by byte."""

import hashlib
import http.client
import json
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from hil.cloud.__main__ import main
from hil.cloud.ledger import Entry, LedgerReader
from hil.cloud.presence import Presence, Serving

CONTENT_TYPE = "application/vnd.site-gateway.batch+json"
SITE = "plant-a"
START_LIMIT_S = 15


def document(**changes: Any) -> dict[str, Any]:
    """A good batch of two results; ``changes`` replace members."""
    return {
        "v": 1,
        "class": "result",
        "site": SITE,
        "nonce": "0" * 32,
        "rows": 2,
        "items": 2,
        "contract": "c" * 64,
        "privacy": "not-dp",
        "t0_s": 1_800_000_000,
        "scale": {"score": 1000, "latency_ms": 10},
        "labels": {"model": ["brick@1"], "label": ["ok", "scratch"]},
        "columns": {
            "time_s": [0, 3],
            "model": [0, 0],
            "label": [0, 1],
            "score": [991, 874],
            "latency_ms": [12, 15],
        },
    } | changes


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in document().items() if key != name}


def with_columns(**columns: list[Any]) -> dict[str, Any]:
    whole = document()
    return whole | {"columns": whole["columns"] | columns}


def sealed(content: dict[str, Any]) -> bytes:
    return zstandard.ZstdCompressor().compress(json.dumps(content).encode())


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


@dataclass
class Cloud:
    """One folder, one server process at a time; ``close`` ends it."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def run(self, command: str, *arguments: str) -> int:
        return main([command, "--dir", str(self.folder), *arguments])

    def init(self, *arguments: str) -> None:
        assert self.run("init", "--site", SITE, *arguments) == 0

    def start(self, *arguments: str) -> Serving:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hil.cloud", "serve", "--dir", str(self.folder), *arguments],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_LIMIT_S
        presence = Presence(self.folder)
        while (serving := presence.serving()) is None or serving.pid != self._process.pid:
            assert self._process.poll() is None, "the server ended at once"
            assert time.monotonic() < deadline, "the server did not begin to serve"
            time.sleep(0.01)
        return serving

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> int:
        """End the server as an operator would, and return its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    @property
    def serving(self) -> Serving:
        serving = Presence(self.folder).serving()
        assert serving is not None
        return serving

    def tls(self, *, certificate: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if certificate:
            context.load_cert_chain(
                self.folder / "gateway-cert.pem", self.folder / "gateway-key.pem"
            )
        return context

    def connect(self, *, answer_timeout_s: float = 15) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            "127.0.0.1", self.serving.port, context=self.tls(), timeout=answer_timeout_s
        )

    def send(  # a client that can be wrong in each part
        self,
        body: bytes,
        *,
        name: str | None = None,
        headers: dict[str, str] | None = None,
        answer_timeout_s: float = 15,
    ) -> Answer:
        right = {
            "Content-Type": CONTENT_TYPE,
            "Content-Encoding": "zstd",
            "Idempotency-Key": name or digest(body),
        }
        path = f"/v1/batches/{name or digest(body)}"
        connection = self.connect(answer_timeout_s=answer_timeout_s)
        try:
            connection.request("POST", path, body, right | (headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def ledger(self) -> list[Entry]:
        return LedgerReader(self.folder).entries()

    def kept(self, body: bytes) -> Entry | None:
        found = LedgerReader(self.folder).matching(digest(body))
        return found[0] if found else None

    def peak_kb(self) -> int:
        """The most memory that the server process ever held."""
        text = Path(f"/proc/{self.serving.pid}/status").read_text()
        return next(int(row.split()[1]) for row in text.splitlines() if row.startswith("VmHWM"))
