"""What the supervisor decides, without a process."""

import signal
from pathlib import Path

import pytest

from hil.virtualline import logfile
from hil.virtualline.__main__ import main
from hil.virtualline.readiness import BrokerStatus, DeviceStatus, Seen, Status
from hil.virtualline.readiness import missing as absent
from hil.virtualline.restart import LONGEST_WAIT_S, End, after, sentence
from hil.virtualline.site import Ports, Programs, Site, Wishes, device_ids
from hil.virtualline.steps import Found, kept_profiles, missing

SITE = Site(Path("/s"))
PORTS = Ports(broker=1, web=2, cloud=3)
PROGRAMS = Programs(gateway=["g"], cloud=["c"], device=["d"])


def wishes(devices: int = 2, wan: str = "up") -> Wishes:
    return Wishes(devices=devices, rate=2, wan=wan, profile="p")


def test_a_program_that_lived_is_started_again_soon() -> None:
    restart = after(End(code=1, lived_s=3600), failures=4)
    assert (restart.wait_s, restart.failures) == (0.2, 0)


def test_a_program_that_dies_at_once_waits_longer_each_time_up_to_a_bound() -> None:
    failures, waits = 0, []
    for _ in range(40):
        restart = after(End(code=1, lived_s=0.1), failures)
        failures = restart.failures
        waits.append(restart.wait_s)
    assert waits[:4] == [0.2, 0.4, 0.8, 1.6]
    assert waits[-1] == LONGEST_WAIT_S
    assert failures == 40


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_who_is_killed_again_and_again_is_started_again_soon_each_time(
    number: signal.Signals,
) -> None:
    assert after(End(code=-number, lived_s=0.1), failures=9).wait_s == 0.2


def test_a_program_that_crashes_by_itself_is_not_taken_for_a_killed_one() -> None:
    assert after(End(code=-signal.SIGSEGV, lived_s=0.1), failures=2).wait_s == 0.8


def test_the_end_of_a_program_is_said_in_words() -> None:
    assert sentence(End(code=-9, lived_s=1.25)) == "was ended by SIGKILL after 1.2 s"
    assert sentence(End(code=3, lived_s=0)) == "ended with exit code 3 after 0.0 s"


def test_only_what_is_missing_is_made() -> None:
    steps = missing(
        PROGRAMS,
        SITE,
        PORTS,
        wishes(3),
        Found(gateway=True, devices={"cam-01": "p", "cam-03": "p"}),
    )
    assert [step.says for step in steps] == [
        "keys of the cloud stand-in",
        "WAN up",
        "device cam-02",
    ]


def test_the_wan_is_ordered_before_anything_starts() -> None:
    steps = missing(PROGRAMS, SITE, PORTS, wishes(0, wan="down"), Found(gateway=True, devices={}))
    assert steps[-1].command == ["c", "wan", "down", "--dir", "/s/cloud"]


def test_a_device_that_stays_with_another_profile_is_told() -> None:
    found = Found(gateway=True, devices={"cam-01": "old", "cam-02": "p"})
    assert kept_profiles(wishes(), found) == ["cam-01 keeps profile old: it was added with it"]


def status(*states: str, pid: int | None = 7) -> Status:
    devices = [
        DeviceStatus(device, state)
        for device, state in zip(device_ids(len(states)), states, strict=True)
    ]
    return Status(BrokerStatus(pid, "down" if pid is None else "up"), devices)


BOTH = device_ids(2)


@pytest.mark.parametrize(
    ("seen", "part", "what"),
    [
        (Seen("", page=True, status=status("online", "online")), "cloud", "the cloud stand-in"),
        (
            Seen("down", page=True, status=status("online", "online")),
            "cloud",
            "the cloud's WAN to be up",
        ),
        (Seen("up", page=False, status=None), "gateway", "the gateway's page"),
        (Seen("up", page=True, status=None), "gateway", "the gateway's status"),
        (Seen("up", page=True, status=status(pid=None)), "gateway", "the broker (it is 'down')"),
        (Seen("up", page=True, status=status("online")), "cam-02", "devices (1 of 2 online)"),
        (
            Seen("up", page=True, status=status("offline", "online")),
            "cam-01",
            "devices (1 of 2 online)",
        ),
    ],
)
def test_what_is_missing_is_named_with_the_part_whose_log_tells(
    seen: Seen, part: str, what: str
) -> None:
    (waiting,) = absent(seen, "up", BOTH)
    assert (waiting.part, waiting.what) == (part, what)


def test_a_line_is_ready_when_all_that_was_asked_for_is_there() -> None:
    assert (
        absent(Seen("up", page=True, status=status("online", "online", "offline")), "up", BOTH)
        == []
    )
    assert absent(Seen("down", page=True, status=status("online", "online")), "down", BOTH) == []


def test_the_end_of_a_log_is_bounded_and_survives_bad_bytes(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert logfile.tail(log, 3) == []
    log.write_bytes(b"a" * 200_000 + b"\n\xff\nlast\n")
    assert logfile.tail(log, 2) == ["\N{REPLACEMENT CHARACTER}", "last"]


def test_a_log_is_rolled_only_over_its_bound(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"12345")
    assert not logfile.roll(log, max_bytes=5)
    assert logfile.roll(log, max_bytes=4)
    assert (log.read_bytes(), (tmp_path / "x.log.1").read_bytes()) == (b"", b"12345")


@pytest.mark.parametrize(
    "arguments", [["--devices", "100"], ["--devices", "-1"], ["--rate", "0"], ["--wan", "slow"]]
)
def test_what_cannot_be_run_is_refused_as_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", *arguments], PROGRAMS)
    assert caught.value.code == 2
