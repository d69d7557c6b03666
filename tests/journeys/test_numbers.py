"""The site's numbers as an operator asks for them, of a real gateway with real devices."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.raw_device import RawDevice, alert, result
from tests.support.site import Document, Site
from tests.support.until import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A running site; cam-01 sent five messages, one of them twice, lost two and went away."""
    with Site() as made:
        folder = made.device("cam-01")
        made.device("cam-02")
        made.start()
        with RawDevice(folder) as device:
            device.join()
            device.say("alert", [alert()])
            once = device.envelope("data", [result()])
            for _ in range(2):
                device.publish(device.up("data"), json.dumps(once).encode())
            device.last["data"] += 2  # what it no longer holds; the next base declares it
            device.say("data", [result()])
            device.say("data", [result()])
        yield made


def asked(site: Site, *words: str) -> Document:
    done = site.command(*words, "--json")
    assert done.returncode == 0, done.stderr
    found: Document = json.loads(done.stdout)
    return found


def test_a_gap_report_names_what_was_resent_and_what_the_device_gave_up(site: Site):
    def reported() -> bool:
        (found,) = asked(site, "spool", "gaps", "--device", "cam-01")["devices"]
        return (found["received"], found["duplicates"], found["declared_lost"]) == (4, 1, 2)

    until(reported, "the gap report is whole")
    said = site.command("spool", "gaps")
    assert said.stdout.startswith("cam-01: 0 lost, 1 duplicate suppressed, ")
    assert said.stdout.endswith("2 messages declared lost by the device\n")


def test_a_device_that_is_not_there_is_unusable_input(site: Site):
    for words in (("--device", "nobody"), ("--days", "32"), ("--days", "0")):
        done = site.command("spool", "gaps", *words)
        assert done.returncode == 2, words
        assert words[1] in done.stderr


def test_the_horizon_is_answered_from_what_came_in(site: Site):
    found = asked(site, "spool", "horizon")
    assert found["rates"] == "measured"
    by_class = {one["class"]: one for one in found["classes"]}
    assert by_class["alert"]["messages_per_h"] > 0
    assert by_class["alert"]["hours"] > 0
    said = site.command("spool", "horizon").stdout.splitlines()
    assert said[0].startswith("With these limits and the rate of the last ")
    assert [line.split()[0] for line in said[1:]] == [
        "alert",
        "error-log",
        "result",
        "metric",
        "log",
    ]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_prometheus_own_linter_finds_no_fault_in_a_running_gateway(site: Site):
    with urllib.request.urlopen(f"http://127.0.0.1:{site.web_port}/metrics", timeout=10) as told:
        assert told.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = told.read()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    lines = text.decode().splitlines()
    commits = next(line for line in lines if 'duration_seconds_count{file="spool.db"}' in line)
    assert float(commits.split()[-1]) > 0
    assert "site_gateway_messages_received_total 4.0" in lines


def test_status_says_what_reaches_the_flash(site: Site):
    wear = asked(site, "status")["wear"]
    assert wear["today_bytes"] > 0
    assert (wear["mean_bytes"], wear["days"]) == (None, 0)


def test_status_says_how_much_room_there_is(site: Site):
    room = asked(site, "status")["room"]
    assert (room["level"], room["alerts_held"]) == ("ok", False)
    assert room["capacity_bytes"] >= room["data_room_bytes"] > 0


def test_who_sends_most_is_attributed(site: Site):
    with RawDevice(site.device("cam-01")) as device:
        device.join()
        for _ in range(20):
            device.say("data", [result()])
        found = until(lambda: asked(site, "status")["traffic"], "the last second is counted")
    assert (found[0]["device"], found[0]["percent"]) == ("cam-01", 100)


def test_numbers_survive_a_kill(site: Site):
    before = asked(site, "spool", "gaps", "--device", "cam-01")["devices"]
    site.kill()
    site.start()
    (after,) = asked(site, "spool", "gaps", "--device", "cam-01")["devices"]
    assert before[0] | {"offline_s": 0} == after | {"offline_s": 0}
