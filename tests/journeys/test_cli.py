"""Every command as a person or a script meets it: words, JSON, exit codes, files it leaves.

Exit codes: 0 done, 1 failed, 2 unusable input or usage, 3 refused, 4 gateway not reachable.
"""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from gateway.web.status import Status
from tests.support.raw_device import RawDevice, alert, result
from tests.support.site import GATEWAY, ROOT, Document, Site
from tests.support.until import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

COMMANDS = (
    *("", "init", "run", "status", "config", "config check", "device", "device add"),
    *("clock", "clock show", "clock confirm"),
    *("audit", "audit list", "contract", "contract check", "contract explain"),
    *("device list", "profile", "profile check", "profile list", "spool", "spool trace"),
    *(
        "spool drops",
        "spool gaps",
        "spool horizon",
        "spool parked",
        "spool parked list",
        "spool parked show",
    ),
    *("spool parked retry", "spool parked export", "spool parked drop", "spool parked resume"),
)
# Scripts and people rely on these; docs/openapi.yaml has them too.
FIXED = {
    "": {"version", "pid", "broker", "devices", "spool", "uplink", "alerts", "problems"},
    "broker": {"pid", "state"},
    "devices": {"id", "profile", "state", "last_seen_ms", "epoch", "alert", "data"},
    "uplink": {"state", "since_ms", "parked", "last_error"},
    "problems": {"code", "subject", "since_ms"},
}
TRACE = ["device", "epoch", "stream", "seq", "class", "outcome", "batch"]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A running site whose one device has sent an alert and a result."""
    with Site() as made:
        folder = made.device("cam-01")
        made.start()
        with RawDevice(folder) as device:
            device.join()
            device.say("alert", [alert()])
            device.say("data", [result()])
        yield made


@pytest.fixture
def still() -> Iterator[Site]:
    """A site whose gateway does not run."""
    with Site() as made:
        yield made


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GATEWAY, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def documents(done: subprocess.CompletedProcess[str]) -> list[Document]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# Words.


def test_every_command_explains_itself() -> None:
    with ThreadPoolExecutor(2) as pool:
        helps = list(pool.map(lambda words: run(*words.split(), "--help"), COMMANDS))
    for words, done in zip(COMMANDS, helps, strict=True):
        assert done.returncode == 0, words
        assert done.stdout.startswith(f"usage: site-gateway {words}".rstrip()), words
        assert done.stderr == "", words
    for words in ("init", "run", "status", "config check", "device add", "spool trace"):
        assert "--json" in helps[COMMANDS.index(words)].stdout, words
        assert "--config" in helps[COMMANDS.index(words)].stdout, words
        assert "xit code" in helps[COMMANDS.index(words)].stdout, words
    assert "3 refused by a" in helps[0].stdout


def test_the_installed_program_is_the_same() -> None:
    program = Path(GATEWAY[0]).with_name("site-gateway")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", said.stdout.strip())


def test_a_wrong_usage_is_2_and_says_what_is_possible() -> None:
    for words in ((), ("frobnicate",), ("device", "add"), ("device",), ("init",)):
        done = run(*words)
        assert done.returncode == 2
        assert "usage: site-gateway" in done.stderr


# A running site.


def test_status_has_its_fixed_names(site: Site) -> None:
    (status,) = documents(site.command("status", "--json"))
    msgspec.convert(status, Status, strict=True)
    assert FIXED[""] <= status.keys()
    assert FIXED["broker"] == status["broker"].keys()
    assert FIXED["uplink"] == status["uplink"].keys()
    (device,) = status["devices"]
    assert FIXED["devices"] <= device.keys()
    assert (device["id"], device["state"], device["alert"], device["data"]) == (
        *("cam-01", "online", 1, 1),
    )
    assert status["spool"].keys() == {"alert", "error-log", "result", "metric", "log"}
    assert all(depth.keys() == {"rows", "bytes", "oldest_s"} for depth in status["spool"].values())
    assert status["spool"]["alert"]["rows"] == 1
    assert status["problems"], "the recovery key still lies here"
    assert all(FIXED["problems"] <= problem.keys() for problem in status["problems"])
    assert status["alerts"][0]["device"] == "cam-01"
    assert site.process is not None
    assert status["pid"] == site.process.pid


def test_status_is_readable(site: Site) -> None:
    done = site.command("status")
    assert done.returncode == 0
    assert re.search(r"^broker +running$", done.stdout, re.MULTILINE)
    assert re.search(
        r"^device +cam-01 +online +admitted +alert 1, data 1$", done.stdout, re.MULTILINE
    )
    assert "PROBLEM recovery-key-on-site" in done.stdout
    assert "first: Move recovery-key" in done.stdout


def test_the_config_may_stand_before_or_after_the_command(site: Site) -> None:
    after = run("status", "--config", str(site.config), "--json")
    (status,) = documents(after)
    assert status["site"] == site.name


def test_spool_trace_lists_every_message_in_its_fixed_form(site: Site) -> None:
    lines = documents(site.command("spool", "trace", "--json"))
    assert [list(line) for line in lines] == [TRACE, TRACE]
    assert {(line["stream"], line["seq"], line["class"], line["outcome"]) for line in lines} == {
        ("alert", 1, "alert", "queued"),
        ("data", 1, "result", "queued"),
    }
    table = site.command("spool", "trace").stdout
    assert re.search(r"^cam-01 +alert +queued +1$", table, re.MULTILINE)


def test_a_reader_that_has_seen_enough_is_no_error(site: Site) -> None:
    """``site-gateway spool trace --json | head -1`` closes the pipe early."""
    for words in (["spool", "trace", "--json"], ["status"], ["profile", "list"]):
        with subprocess.Popen(
            [*GATEWAY, "--config", str(site.config), *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            said = process.stderr.read()
            code = process.wait(30)
        assert (code, said) == (0, ""), words


def test_a_device_is_added_to_a_running_site_and_gets_in(site: Site) -> None:
    out = site.folder / "devices" / "press-7"
    add = ("device", "add", "press-7", "--profile", "factory-camera-v2", "--out", str(out))
    (told,) = documents(site.command(*add, "--json"))
    assert told == {
        "id": "press-7",
        "profile": "factory-camera-v2",
        "out": str(out),
        "host": "127.0.0.1",
    }
    assert {path.name for path in out.iterdir()} == {
        *("key.pem", "cert.pem", "ca.pem", "connection.json"),
    }
    assert stat.S_IMODE((out / "key.pem").stat().st_mode) == 0o600
    connection = json.loads((out / "connection.json").read_text())
    assert list(connection) == [
        *("id", "profile", "host", "mqtt_port", "https_port", "ca", "certificate", "key"),
    ]
    assert connection["mqtt_port"] == site.mqtt_port
    with RawDevice(out) as device:
        device.join()
    again = site.command(*add[:-1], str(site.folder / "elsewhere"))
    assert again.returncode == 3
    assert "press-7 exists already" in again.stderr
    assert not (site.folder / "elsewhere").exists()
    (listed,) = documents(site.command("device", "list", "--json"))
    assert {one["id"] for one in listed["devices"]} >= {"cam-01", "press-7"}
    (press,) = [one for one in listed["devices"] if one["id"] == "press-7"]
    assert press["access"] == "provisional", "attested by its profile, and nobody attested it yet"


def test_unusable_devices_are_2_and_name_what_is_possible(site: Site) -> None:
    out = str(site.folder / "x")
    for words, said in (
        (("Cam 1", "--profile", "virtual-camera"), "use 1 to 63 of a-z"),
        (("cam-9", "--profile", "toaster"), "there are:"),
        (("gateway", "--profile", "virtual-camera"), "gateway"),
        (("cam-9", "--profile", "virtual-camera", "--host", "10.9.9.9"), "--host 10.9.9.9"),
    ):
        done = site.command("device", "add", *words, "--out", out)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
    assert not Path(out).exists()


def test_the_control_socket_is_its_owners_alone(site: Site) -> None:
    assert stat.S_IMODE(site.control_socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(site.runtime_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(site.state_dir.stat().st_mode) == 0o700
    private = [*site.state_dir.rglob("*.db*"), *site.state_dir.rglob("*-key.pem")]
    assert len(private) >= 4
    assert [path for path in private if path.stat().st_mode & 0o077] == []


def test_the_page_is_where_run_says(site: Site) -> None:
    address = site.until_logged("serving ").removeprefix("serving ")
    assert address == f"http://127.0.0.1:{site.web_port}/"
    with urllib.request.urlopen(address, timeout=10) as page:  # noqa: S310 -- http, just above
        assert page.status == 200
        assert b"plant-a" in page.read()


def test_a_second_run_is_refused_and_harms_nothing(site: Site) -> None:
    second = site.command("run")
    assert second.returncode == 3
    assert str(site.state_dir) in second.stderr
    assert "Traceback" not in second.stderr
    assert site.process is not None
    assert site.status()["pid"] == site.process.pid
    assert site.status()["broker"]["state"] == "running"


def test_a_second_init_is_refused(site: Site) -> None:
    before = site.config.read_bytes()
    done = site.command("init", "--name", "other", "--ip", "127.0.0.1")
    assert done.returncode == 3
    assert site.config.read_bytes() == before


# Without a running gateway.


def test_without_a_gateway_it_is_said_what_to_do(still: Site) -> None:
    for words in (("status",), ("status", "--json"), ("spool", "trace", "--json")):
        done = still.command(*words)
        assert done.returncode == 4
        assert "start it with 'site-gateway run'" in done.stderr
        assert done.stdout == ""


def test_without_a_gateway_devices_are_added_and_listed_all_the_same(still: Site) -> None:
    folder = still.device("cam-01")
    (listed,) = documents(still.command("device", "list", "--json"))
    assert [one["id"] for one in listed["devices"]] == ["cam-01"]
    still.start()
    with RawDevice(folder) as device:
        device.join()


def test_config_check_finds_what_is_wrong_without_starting_anything(still: Site) -> None:
    (fine,) = documents(still.command("config", "check", "--json"))
    assert fine == {
        "ok": True,
        "file": str(still.config),
        "findings": [],
        "losses": [],
        "notes": [],
    }
    assert "fit to run" in still.command("config", "check").stdout
    still.configure("intake", window=1000)
    still.configure("broker", max_queued_messages=100)
    done = still.command("config", "check", "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert not found["ok"]
    assert any("intake.window" in finding for finding in found["findings"])
    still.configure("web", prot=1)
    unknown = still.command("config", "check")
    assert unknown.returncode == 2
    assert "prot" in unknown.stdout
    refused = still.command("run")
    assert refused.returncode == 2
    assert "prot" in refused.stderr
    assert not still.control_socket.exists()


def test_an_absent_configuration_is_2_for_every_command(tmp_path: Path) -> None:
    absent = str(tmp_path / "gateway.toml")
    commands = (
        *(("run",), ("status",), ("spool", "trace"), ("device", "list")),
        *(("config", "check"), ("profile", "check")),
    )
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda words: run("--config", absent, *words), commands))
    assert [one.returncode for one in done] == [2] * len(commands)
    assert all("gateway.toml" in one.stdout + one.stderr for one in done)
    assert not any("Traceback" in one.stderr for one in done)


def test_a_site_that_lost_its_state_is_1_and_not_made_anew(still: Site) -> None:
    still.state_dir.rename(still.folder / "moved")
    done = still.command("run")
    assert done.returncode == 1
    assert "make the site with 'site-gateway init', or restore it" in done.stderr
    assert not still.state_dir.exists()


def test_a_runtime_folder_that_others_may_enter_is_refused(still: Site) -> None:
    still.runtime_dir.mkdir(mode=0o755)
    still.runtime_dir.chmod(0o755)
    done = still.command("run")
    assert done.returncode == 1
    assert f"chmod 700 {still.runtime_dir}" in done.stderr


def test_a_page_port_in_use_is_1_with_the_port_in_the_message(still: Site) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", still.web_port))
        squatter.listen()
        done = still.command("run")
    assert done.returncode == 1
    assert str(still.web_port) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well_and_a_second_start_goes_on(
    still: Site, number: signal.Signals
) -> None:
    still.start()
    assert still.stop(number) == 0
    assert not still.bug(), still.bug()
    assert still.command("status").returncode == 4, "what a socket file left behind says"
    still.start()


def test_a_signal_during_the_start_ends_it_well(still: Site) -> None:
    process = still.launch()
    until(still.runtime_dir.exists, "it has begun")
    os.kill(process.pid, signal.SIGTERM)
    assert still.ended() == 0
    assert not still.bug(), still.bug()


def test_run_says_ready_as_json(still: Site) -> None:
    with subprocess.Popen(
        [*GATEWAY, "--config", str(still.config), "run", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        assert process.wait(10) == 0
    assert json.loads(line) == {"ready": f"http://127.0.0.1:{still.web_port}/"}


def test_profile_check_judges_without_a_site() -> None:
    (good,) = documents(run("profile", "check", "firmware-profiles", "--json"))
    assert good["ok"]
    assert good.keys() == {"ok", "files", "findings", "notes"}
    bad = run("profile", "check", "README.md")
    assert bad.returncode == 2
