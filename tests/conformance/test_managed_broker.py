"""The broker as the gateway's child: started, watched, started again, never left behind."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.broker.mosquitto import PIPE_BYTES
from tests.support.processes import command, runs
from tests.support.raw_device import RawDevice, result
from tests.support.raw_mqtt import NOT_AUTHORISED, SUCCESS
from tests.support.site import Document, Site
from tests.support.until import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

DENIED = "Denied PUBLISH from cam-01 (d0, q0, r0, m0, 'line/cam-02/up/data', ... (1 bytes))\n"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


def broker_again(site: Site, old: int) -> int:
    """Wait until another broker runs; return its process id."""
    seen = site.until(
        lambda now: now["broker"]["state"] == "running" and now["broker"]["pid"] != old,
        "another broker",
    )
    return int(seen["broker"]["pid"])


def test_a_killed_broker_is_back_with_all_that_was_retained_and_with_its_gateway(
    site: Site,
) -> None:
    folder = site.device("cam-01")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        device.say("data", [result(1)])
        old = site.kill_broker()
        device.until_closed()
    broker_again(site, old)
    site.until(lambda now: "broker-down" not in codes(now), "the gateway is back, too")
    with RawDevice(folder) as again:
        again.epoch, again.last = device.epoch, device.last
        assert again.join() == {"epoch": device.epoch, "alert": 0, "data": 1}
        access = again.until_heard(lambda one: one.topic.endswith("/access"), "down/access")
        assert access.retained
        assert access.document["window"] == 50
        assert again.say("data", [result(2)])["data"] == 2
    assert "event=broker-down mosquitto ended with code -9" in site.log()


def codes(status: Document) -> set[str]:
    return {problem["code"] for problem in status["problems"]}


def test_who_does_not_come_back_after_the_broker_died_is_not_called_online(site: Site) -> None:
    """A broker that is killed publishes no last will, and its successor knows of nobody."""
    folder = site.device("cam-01")
    site.start()
    with RawDevice(folder) as device:
        device.join()
        site.until(lambda _: site.of("cam-01")["state"] == "online", "it is online")
        old = site.kill_broker()
    broker_again(site, old)
    site.until(lambda _: site.of("cam-01")["state"] == "offline", "nobody is")


def test_no_broker_outlives_a_killed_gateway(site: Site) -> None:
    broker: int = site.start()["broker"]["pid"]
    assert "mosquitto" in command(broker)
    assert site.process is not None
    site.process.kill()
    site.process.wait()
    until(lambda: not runs(broker), "the broker ends with its gateway")
    assert site.start()["broker"]["pid"] != broker


def test_no_broker_outlives_a_stopped_gateway(site: Site) -> None:
    broker: int = site.start()["broker"]["pid"]
    assert site.stop() == 0
    assert not runs(broker)


def test_the_broker_runs_as_the_caller_and_its_files_are_private(site: Site) -> None:
    broker: int = site.start()["broker"]["pid"]
    assert Path(f"/proc/{broker}").stat().st_uid == os.geteuid()
    for path in (site.state_dir / "broker").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert (site.state_dir / "broker").stat().st_mode & 0o777 == 0o700
    assert site.runtime_dir.stat().st_mode & 0o777 == 0o700


def test_a_port_in_use_is_said_and_tried_again_ever_more_slowly_until_it_is_free(
    site: Site,
) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", site.mqtt_port))
        squatter.listen()
        site.launch()
        down = site.until(
            lambda now: now["broker"]["state"] == "down" and "broker-down" in codes(now),
            "the problem is said",
        )
        problem = next(one for one in down["problems"] if one["code"] == "broker-down")
        assert "Address already in use" in problem["detail"]
        assert problem["severity"] == "critical"
        until(lambda: len(attempts(site)) >= 5, "five attempts")
        gaps = [later - earlier for earlier, later in pairwise(attempts(site))]
        assert gaps[3] > 2 * gaps[0], gaps
    site.until(
        lambda now: now["broker"]["state"] == "running" and "broker-down" not in codes(now),
        "it runs as soon as the port is free",
    )


def attempts(site: Site) -> list[float]:
    """When the broker ended, in seconds of the day, as the log says it."""
    found = re.findall(
        r"^\S+ (\d+):(\d+):(\d+),(\d+) ERROR .*event=broker-down", site.log(), re.MULTILINE
    )
    return [int(h) * 3600 + int(m) * 60 + int(s) + int(ms) / 1000 for h, m, s, ms in found]


def test_a_missing_program_is_named_with_its_package(site: Site) -> None:
    """A search path without setpriv stands in for a machine without its package."""
    bare = site.folder / "bin"
    bare.mkdir()
    program = ("/usr/bin/env", f"PATH={bare}", *site.program)
    process = site.launch(program=program)
    line = site.until_logged("event=broker-down")
    assert process.poll() is None, "the gateway stays: its page says what is wrong"
    assert "setpriv is not installed: install Debian's package util-linux" in line


def test_a_broker_that_hangs_is_replaced(site: Site) -> None:
    """It has a process and a socket, and serves nobody: only the gateway's own echo tells."""
    folder = site.device("cam-01")
    hung: int = site.start()["broker"]["pid"]
    with RawDevice(folder) as device:
        device.join()
        os.kill(hung, signal.SIGSTOP)
        broker_again(site, hung)
    assert not runs(hung)
    assert "event=broker-silent" in site.log()
    with RawDevice(folder) as device:
        device.join()


def test_a_gateway_whose_broker_hangs_still_stops_in_time(site: Site) -> None:
    broker: int = site.start()["broker"]["pid"]
    os.kill(broker, signal.SIGSTOP)
    assert site.stop() == 0
    assert not runs(broker)


def test_a_gateway_that_stands_still_does_not_stop_its_broker(site: Site) -> None:
    """Whatever the broker has to say: its one thread must not wait for who should listen."""
    folder = site.device("cam-01")
    site.start()
    assert site.process is not None
    with RawDevice(folder) as device:
        device.join()
        site.process.send_signal(signal.SIGSTOP)
        for _ in range(3 * PIPE_BYTES // len(DENIED)):
            device.post("line/cam-02/up/data", b"x", qos=0)
        assert device.publish("line/cam-02/up/data", b"x") == NOT_AUTHORISED
        site.process.send_signal(signal.SIGCONT)
        site.until(
            lambda now: (
                now["counters"].get("broker_refused_total:foreign-topic", 0)
                >= PIPE_BYTES // len(DENIED) // 2
            ),
            "what fitted into the pipe was heard",
        )
        assert device.say("data", [result()])["data"] == 1
    assert site.log().count("event=broker-says") < 100


def test_a_device_added_while_the_broker_restarts_has_its_certificate_and_gets_in(
    site: Site,
) -> None:
    old: int = site.start()["broker"]["pid"]
    os.kill(old, signal.SIGSTOP)
    folder = site.device("cam-01")
    os.kill(old, signal.SIGKILL)
    broker_again(site, old)
    with RawDevice(folder) as device:
        device.join()
        assert device.publish(device.up("status"), device.status()) == SUCCESS


def test_a_device_named_like_a_client_of_the_gateway_does_not_disturb_it(site: Site) -> None:
    folders = [site.device(name) for name in ("gateway-control", "gateway-data")]
    site.start()
    for folder in folders:
        with RawDevice(folder) as device:
            device.join()
            device.say("data", [result(1)])
    assert "broker-link-lost" not in site.log()
    refused = site.command(
        *("device", "add", "gateway", "--profile", "virtual-camera"),
        *("--out", str(site.folder / "devices" / "gateway")),
    )
    assert refused.returncode == 2
