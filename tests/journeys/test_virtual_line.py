"""``make run`` as its user sees it: real broker, gateway, cloud stand-in, cameras, Chromium."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.support.chromium import ARTEFACTS, DESKTOP, PHONE, chromium
from tests.support.processes import children, runs
from tests.support.until import until

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(300)]
__all__ = ["chromium"]

ROOT = Path(__file__).parents[2]
READY_LIMIT_S = 90.0
DEVICES = 4
PNG = b"\x89PNG\r\n\x1a\n"

Document = dict[str, Any]


class Line:
    """One run of the virtual line in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "hil.virtualline", "run", "--dir", str(folder)),
                *("--devices", str(DEVICES), "--rate", "4"),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said: list[str] = []
        self.address = self._until_ready()

    def _until_ready(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("READY "):
                return line.removeprefix("READY ").strip()
        raise AssertionError("".join(self.said))

    def get(self, path: str) -> bytes:
        host = self.address.removeprefix("http://").rstrip("/")
        connection = http.client.HTTPConnection(host, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def status(self) -> Document:
        try:
            found: Document = json.loads(self.get("/v1/status"))
        except (OSError, http.client.HTTPException):
            return {}  # between two runs of the gateway
        return found

    def command(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def cloud(self, *words: str) -> str:
        return self.command("hil.cloud", words[0], "--dir", str(self.folder / "cloud"), *words[1:])

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code when everything has ended."""
        family = [self.process.pid, *children(self.process.pid)]
        self.process.send_signal(signal.SIGINT)
        assert self.process.stdout is not None
        self.said += list(self.process.stdout)
        self.process.stdout.close()
        code = self.process.wait(60)
        assert not any(map(runs, family)), "something is left running"
        return code


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "site"
    left = subprocess.run(
        ["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False
    )
    for pid in left.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    assert not left.stdout.split(), "something is left running"


def alerts_with_pictures(status: Document) -> list[Document]:
    return [alert for alert in status.get("alerts", []) if alert["picture"]]


def delivered_rows(line: Line) -> dict[str, int]:
    rows = [json.loads(row) for row in line.cloud("ledger", "--json").splitlines()]
    return {
        name: sum(r["rows"] for r in rows if r["class"] == name) for name in ("alert", "result")
    }


@pytest.mark.asyncio(loop_scope="session")
async def test_a_line_starts_survives_a_kill_and_an_outage_and_goes_on_the_next_day(
    folder: Path, chromium: Browser
) -> None:
    line = Line(folder)

    # Real images are looked at, and what they show arrives on the page and in the cloud.
    seen = until(lambda: alerts_with_pictures(line.status()), "an alert with its picture")
    assert line.get(seen[0]["picture"]).startswith(PNG)
    until(lambda: all(delivered_rows(line).values()), "alerts and results in the cloud")
    status = line.status()
    assert {device["state"] for device in status["devices"]} == {"online"}
    assert status["privacy"] == ["virtual-camera"]
    log = (folder / "log" / "gateway.log").read_text()
    assert "event=not-differentially-private contract=virtual-camera" in log

    # A killed gateway is back, and the devices with it.
    os.kill(status["pid"], signal.SIGKILL)
    until(lambda: line.status().get("pid", status["pid"]) != status["pid"], "another gateway")
    until(
        lambda: {device["state"] for device in line.status().get("devices", [])} == {"online"},
        "devices that are back",
    )

    # Without a cloud the alerts wait, and the page says so in plain words.
    line.cloud("wan", "down")
    until(
        lambda: line.status().get("uplink", {}).get("state") == "offline", "an uplink that is off"
    )
    until(lambda: line.status()["spool"]["alert"]["rows"] > 0, "alerts that wait")
    for name, window in (("phone", PHONE), ("desktop", DESKTOP)):
        context = await chromium.new_context(**window)
        page = await context.new_page()
        await page.goto(line.address)
        await expect(page.locator("body")).to_contain_text("The connection to the cloud is down")
        await expect(page.locator("body")).to_contain_text("not differentially private")
        await expect(page.locator("body")).to_contain_text("cam-01")
        ARTEFACTS.mkdir(exist_ok=True)
        await page.screenshot(path=ARTEFACTS / f"virtual-line-offline-{name}.png", full_page=True)
        await context.close()
    line.cloud("wan", "up")
    until(lambda: line.status()["spool"]["alert"]["rows"] == 0, "every alert in the cloud")

    marks = {device["id"]: device["data"] for device in line.status()["devices"]}
    assert line.interrupt() == 0

    # The next day: the same site, the same numbers, further on.
    line = Line(folder)
    until(
        lambda: all(device["data"] > marks[device["id"]] for device in line.status()["devices"]),
        "marks that go on",
    )
    assert line.interrupt() == 0
