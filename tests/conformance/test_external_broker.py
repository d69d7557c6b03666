"""``broker.mode = external``: a mosquitto that somebody else starts, with generated files."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.broker.limits import BrokerLimits
from gateway.broker.mosquitto import Certificates, write_files
from gateway.broker.roles import document
from gateway.identity import pki
from tests.support.processes import runs
from tests.support.raw_device import RawDevice, result
from tests.support.raw_mqtt import NOT_AUTHORISED, SUCCESS, RawClient
from tests.support.site import Document, Site
from tests.support.until import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

PASSWORD = "of the company's own broker"  # noqa: S105 -- of no broker but this one


class ExternalBroker:
    """What the unit ``site-gateway-broker`` is on a real site. It knows no device at first."""

    def __init__(self, site: Site, at: Path) -> None:
        folder = site.state_dir / pki.FOLDER
        self._at = at
        self._process: subprocess.Popen[bytes] | None = None
        self._conf = write_files(
            site.folder / "external",
            BrokerLimits(port=site.mqtt_port, listen="127.0.0.1"),
            Certificates(
                folder / pki.CA_CERTIFICATE,
                folder / pki.SERVER_CERTIFICATE,
                folder / pki.SERVER_KEY,
            ),
            document({}, password=PASSWORD, salt=os.urandom(12)),
            at,
        )

    def start(self) -> None:
        self._at.unlink(missing_ok=True)
        log = self._conf.with_name("log").open("ab")
        with log:
            self._process = subprocess.Popen(
                ["mosquitto", "-c", self._conf],
                env={"PATH": "/usr/sbin:/usr/bin"},
                stdout=log,
                stderr=log,
            )
        until(self._at.exists, "the broker's socket")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    """What the broker and the gateway share; short, for it holds a socket."""
    made = Path(tempfile.mkdtemp(prefix="sg-"))
    (made / "password").write_text(f"{PASSWORD}\n")
    yield made
    shutil.rmtree(made)


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    options = ["--broker-mode", "external", "--broker-socket", str(folder / "b.sock")]
    with Site(options=[*options, "--broker-password-file", str(folder / "password")]) as made:
        yield made


@pytest.fixture
def broker(site: Site, folder: Path) -> Iterator[ExternalBroker]:
    made = ExternalBroker(site, folder / "b.sock")
    made.start()
    yield made
    made.kill()


def codes(status: Document) -> set[str]:
    return {problem["code"] for problem in status["problems"]}


@pytest.mark.usefixtures("broker")
def test_devices_get_in_and_get_their_receipts(site: Site) -> None:
    early = site.device("cam-01")
    status = site.start()
    assert status["broker"] == {"pid": None, "state": "running"}
    late = site.device("cam-02")
    for folder in (early, late):
        with RawDevice(folder) as device:
            device.join()
            assert device.say("data", [result()])["data"] == 1
            assert device.publish("line/cam-09/up/data", b"x") == NOT_AUTHORISED


def test_what_a_device_retains_against_the_rules_is_not_kept(
    site: Site, broker: ExternalBroker, folder: Path
) -> None:
    """Else it would fill the broker's memory, and come again at each start of the gateway."""
    device_folder = site.device("cam-01")
    site.start()
    with RawDevice(device_folder) as device:
        device.join()
        for channel in ("data", "alert", "evidence", "update"):
            assert device.publish(device.up(channel), b"{}", retain=True) == SUCCESS
        for channel in ("gossip", "a/b"):
            assert device.publish(device.up(channel), b"{}", retain=True) == NOT_AUTHORISED
        site.until(
            lambda now: (
                sum(count for name, count in now["counters"].items() if "messages_refused" in name)
                == 4
            ),
            "each is refused, and the gateway does not hear itself",
        )
        spy = RawClient("spy", unix_socket=folder / "b.sock", username="gateway", password=PASSWORD)
        with spy:
            spy.subscribe("line/#")
            spy.until_heard(lambda one: one.topic.endswith("/access"), "down/access")
            spy.until_heard(lambda one: one.topic.endswith("/status"), "up/status")
            kept = {one.topic for one in spy.heard if one.retained}
    assert kept == {"line/cam-01/up/status", "line/cam-01/down/access"}


def test_a_gateway_that_restarts_drops_no_connection_of_a_device(
    site: Site, broker: ExternalBroker
) -> None:
    folder = site.device("cam-01")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        site.kill()
        device.post(device.up("status"), device.status())
        assert runs(broker.pid)
        site.start()
        site.until(lambda _: site.of("cam-01")["state"] == "online", "its retained status tells")
        device.heard.clear()
        device.receipt()
        assert device.say("data", [result()])["data"] == 1
        assert not device.closed


@pytest.mark.usefixtures("broker")
def test_a_device_that_left_while_the_gateway_was_away_is_known_to_be_offline(site: Site) -> None:
    device_folder = site.device("cam-01")
    site.start()
    with RawDevice(device_folder) as device:
        device.join()
        site.kill()
        device.abort()
    site.start()
    site.until(lambda now: "device-silent" in codes(now), "its last will tells")
    assert site.of("cam-01")["state"] == "offline"


def test_a_broker_that_is_away_is_said_and_found_again(site: Site, broker: ExternalBroker) -> None:
    device_folder = site.device("cam-01")
    site.start()
    broker.kill()
    down = site.until(lambda now: "broker-down" in codes(now), "the problem is said")
    assert down["broker"]["state"] == "down"
    (problem,) = [one for one in down["problems"] if one["code"] == "broker-down"]
    assert "b.sock" in problem["detail"]
    lines = site.log().count("event=broker-link-lost")
    broker.start()
    site.until(
        lambda now: now["broker"]["state"] == "running" and "broker-down" not in codes(now),
        "it is found again",
    )
    assert lines <= 3, "the same failure is said once, not at every attempt"
    with RawDevice(device_folder) as device:
        device.join()
        assert device.publish(device.up("status"), device.status()) == SUCCESS


@pytest.mark.usefixtures("broker")
def test_a_wrong_password_is_said_with_what_to_do(site: Site, folder: Path) -> None:
    password_file = folder / "password"
    password_file.write_text("another")
    site.launch()
    down = site.until(lambda now: "broker-down" in codes(now), "the problem is said")
    (problem,) = [one for one in down["problems"] if one["code"] == "broker-down"]
    assert "Not authorized" in problem["detail"]
    site.stop()
    password_file.unlink()
    process = site.launch()
    assert process.wait(20) == 1
    assert "password: No such file or directory: put the broker's password" in site.log()
