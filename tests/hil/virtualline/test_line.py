"""The life of a virtual line: the real supervisor and cloud, stand-ins for the rest."""

import http.client
import json
import re
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.hil.virtualline.running import Line, gone, kill, wait_until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

Start = Callable[..., Line]


def ports(line: Line) -> dict[str, int]:
    return dict(json.loads((line.root / "ports.json").read_text()))


def test_a_first_run_makes_all_that_is_missing_and_says_where_the_page_is(start: Start) -> None:
    line = start("--devices", "2", "--rate", "7.5")
    url = line.ready()
    assert url == f"http://127.0.0.1:{ports(line)['web']}/"
    assert serves(line)
    assert line.journal() == ["init", "add cam-01", "add cam-02"]
    config = json.loads((line.root / "gateway.toml").read_text())
    assert config["name"] == "virtual-line"
    assert config["ip"] == "127.0.0.1"
    assert config["uplink_url"] == f"https://127.0.0.1:{ports(line)['cloud']}"
    assert config["uplink_key"] == str(line.root / "cloud" / "gateway-key.pem")
    assert config["broker_port"] == str(ports(line)["broker"])
    assert (line.root / "log" / "cam-02.log").read_text() == "rate 7.5 seed 2\n"
    assert sum("READY" in row for row in line.said) == 1


def test_a_second_run_goes_on_where_the_first_stopped(start: Start) -> None:
    first = start("--devices", "1")
    url = first.ready()
    first.signal()
    assert first.ended() == 0
    second = start("--devices", "2")
    assert second.ready() == url
    added = [row for row in second.journal() if not row.startswith("gateway ends")]
    assert added == ["init", "add cam-01", "add cam-02"]


def test_a_half_made_device_is_added_again_at_the_next_run(start: Start, tmp_path: Path) -> None:
    (tmp_path / "site" / "devices" / "cam-02").mkdir(parents=True)
    line = start("--devices", "2")
    line.hear("failed: device cam-02: exit code 1")  # this stand-in refuses the folder
    assert line.ended() == 1
    (tmp_path / "site" / "devices" / "cam-02").rmdir()
    again = start("--devices", "2")
    again.ready()
    assert again.journal().count("add cam-02") == 2
    assert again.journal().count("init") == 1


def test_a_killed_gateway_is_started_again_within_a_second(start: Start) -> None:
    line = start("--devices", "1")
    line.ready()
    for _ in range(3):
        killed, mark = line.gateway, len(line.said)
        kill(killed)
        said = line.hear("starting it again in", after=mark)
        assert said.split("] ")[1].startswith("gateway was ended by SIGKILL after")
        assert float(re.findall(r"again in ([0-9.]+) s", said)[0]) < 1
        wait_until(partial(new_gateway, line, killed), "the new gateway does not serve")


def new_gateway(line: Line, old: int) -> bool:
    return line.gateway != old and serves(line)


def serves(line: Line) -> bool:
    """Whether the gateway's page answers."""
    page = http.client.HTTPConnection("127.0.0.1", ports(line)["web"], timeout=10)
    try:
        page.request("GET", "/health")
        return page.getresponse().status == 200
    except OSError:
        return False
    finally:
        page.close()


def test_a_killed_device_and_a_killed_cloud_are_started_again(start: Start) -> None:
    line = start("--devices", "2")
    line.ready()
    camera, cloud = line.device("cam-02"), line.cloud()
    kill(camera)
    wait_until(lambda: line.device("cam-02") != camera, "cam-02 was not restarted")
    kill(cloud)
    wait_until(lambda: line.cloud() != cloud, "the cloud was not restarted")
    assert "cam-02 was ended by SIGKILL" in line.console()
    assert "cloud was ended by SIGKILL" in line.console()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_comes_in_order_and_leaves_nothing_running(
    start: Start, number: signal.Signals
) -> None:
    line = start("--devices", "3")
    line.ready()
    pids = line.pids()
    assert len(pids) == 5
    line.signal(number)
    assert line.ended() == 0
    assert gone(pids)
    assert line.journal()[-1] == "gateway ends: 0 devices run, the cloud serves"
    assert not (line.root / "cloud" / "serving.json").exists()
    assert "was killed" not in line.console()


def test_a_gateway_that_does_not_end_is_killed_after_the_limit(
    start: Start, tmp_path: Path
) -> None:
    behave(tmp_path, "gateway", "deaf")
    line = start("--devices", "1", stop_s=1)
    line.ready()
    pids = line.pids()
    line.signal()
    assert line.ended() == 0
    assert "gateway did not end in 1 s and was killed" in line.console()
    assert gone(pids)


def test_a_second_ctrl_c_ends_all_at_once(start: Start, tmp_path: Path) -> None:
    behave(tmp_path, "gateway", "deaf")
    line = start("--devices", "1", stop_s=200)
    line.ready()
    pids = line.pids()
    line.signal(signal.SIGINT)
    line.hear("stopping (Ctrl-C once more: at once)")
    # The person presses on until it ends; what comes in the first second is the same wish.
    wait_until(lambda: pressed(line), "it did not end at once")
    assert line.ended() == 0
    assert gone(pids)


def pressed(line: Line) -> bool:
    line.signal(signal.SIGINT)
    return line.process.poll() is not None


def test_one_wish_that_arrives_as_several_signals_ends_in_order(start: Start) -> None:
    line = start("--devices", "1")
    line.ready()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        line.signal(number)
    assert line.ended() == 0
    assert line.journal()[-1] == "gateway ends: 0 devices run, the cloud serves"


def test_a_killed_supervisor_leaves_nothing_running(start: Start) -> None:
    line = start("--devices", "2")
    line.ready()
    pids = line.pids()
    line.signal(signal.SIGKILL)
    line.ended()
    wait_until(lambda: gone(pids), "something outlived the supervisor")
    start("--devices", "2").ready()


def test_a_cut_wan_does_not_hinder_readiness_and_is_mended_by_the_next_run(start: Start) -> None:
    line = start("--devices", "1", "--wan", "down")
    line.ready()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports(line)["cloud"]))
    line.signal()
    line.ended()
    again = start("--devices", "1")
    again.ready()
    socket.create_connection(("127.0.0.1", ports(again)["cloud"])).close()


def behave(tmp_path: Path, name: str, does: str) -> None:
    (tmp_path / "site").mkdir(exist_ok=True)
    (tmp_path / "site" / f"{name}.does").write_text(does)


def test_a_gateway_that_dies_at_once_is_shown_and_given_up(start: Start, tmp_path: Path) -> None:
    behave(tmp_path, "gateway", "die")
    line = start("--devices", "1", ready_s=4)
    assert line.ended() == 1
    waits = [float(wait) for wait in re.findall(r"again in ([0-9.]+) s", line.console())]
    assert len(waits) >= 2
    assert waits == sorted(waits)
    assert waits[1] > waits[0], "it must not spin"
    assert "  | this stand-in cannot open its database" in line.console()
    assert "not up after 4 s; giving up" in line.console()
    assert "READY" not in line.console()


def test_a_device_that_never_comes_up_is_named_with_its_log(start: Start, tmp_path: Path) -> None:
    behave(tmp_path, "cam-02", "die")
    line = start("--devices", "2", ready_s=4)
    assert line.ended() == 1
    assert "waiting for devices (1 of 2 online)" in line.console()
    at = line.said.index(next(row for row in line.said if "giving up" in row))
    assert "cam-02.log" in line.said[at + 1]
    assert any("| no camera" in row for row in line.said[at:])


def test_a_page_that_is_not_healthy_is_not_ready(start: Start, tmp_path: Path) -> None:
    behave(tmp_path, "gateway", "sick")
    line = start("--devices", "1", ready_s=3)
    assert line.ended() == 1
    assert "waiting for the gateway's page" in line.console()


def test_a_step_that_fails_ends_the_run_with_its_own_words(start: Start, tmp_path: Path) -> None:
    behave(tmp_path, "init", "fail")
    line = start("--devices", "1")
    assert line.ended() == 1
    assert "failed: keys and configuration of the gateway: exit code 1" in line.console()
    assert "| the disk of this stand-in is full" in line.console()


def test_a_stop_in_the_middle_of_making_lets_the_step_end(start: Start) -> None:
    line = start("--devices", "50")
    line.hear("done: keys and configuration of the gateway")
    line.signal()
    assert line.ended() == 0
    made = [row for row in line.said if "done: device" in row]
    assert len(made) == len(list((line.root / "devices").glob("*/connection.json")))
    assert not any("starting" in row for row in line.said)


def test_what_is_refused_tells_how_to_begin_anew(start: Start, tmp_path: Path) -> None:
    behave(tmp_path, "init", "refuse")
    line = start("--devices", "1")
    assert line.ended() == 1
    assert f"cut off here: remove {line.root} to begin anew" in line.console()
    assert "| a key is there already" in line.console()


def test_a_second_supervisor_on_the_same_folder_is_refused(start: Start) -> None:
    line = start("--devices", "1")
    line.ready()
    second = start("--devices", "1")
    assert second.ended() == 2
    assert "a virtual line runs in" in second.console()
    assert line.process.poll() is None


def test_a_kept_port_that_somebody_took_is_named(start: Start) -> None:
    line = start("--devices", "0")
    line.ready()
    line.signal()
    line.ended()
    with socket.create_server(("127.0.0.1", ports(line)["broker"])):
        second = start("--devices", "0")
        assert second.ended() == 2
    assert f"port {ports(line)['broker']}, which" in second.console()
    assert "keeps for broker, is in use: end the program that listens there" in second.console()


def test_a_log_over_ten_megabytes_is_rolled_while_its_program_runs(start: Start) -> None:
    line = start("--devices", "1")
    line.ready()
    log = line.root / "log" / "gateway.log"
    with log.open("ab") as file:
        file.write(bytes((10 << 20) + 1))
    wait_until(lambda: log.stat().st_size == 0, "the log was not rolled")
    assert log.with_name("gateway.log.1").stat().st_size > 10 << 20
