"""What to do, the most urgent first."""

from gateway.model.access import Access
from gateway.model.problem import Severity
from gateway.web.advice import advise
from gateway.web.status import BrokerStatus, UplinkStatus
from tests.simulators.site import calm, device, problem


def test_on_a_calm_line_there_is_nothing_to_do():
    assert advise(calm()) == ()


def test_the_worst_comes_first_and_among_equals_the_oldest():
    problems = [
        problem("a", "x", severity=Severity.NOTICE, since_ms=1),
        problem("b", "x", severity=Severity.WARNING, since_ms=30),
        problem("c", "x", severity=Severity.CRITICAL, since_ms=40),
        problem("d", "x", severity=Severity.WARNING, since_ms=20),
    ]
    assert [advice.code for advice in advise(calm(problems=problems))] == ["c", "d", "b", "a"]


def test_one_code_on_many_devices_is_one_thing_to_do():
    problems = [
        problem("device-silent", f"cam-{n:02}", since_ms=100 - n, detail=f"no word {n}")
        for n in range(1, 10)
    ]
    (advice,) = advise(calm(problems=problems))
    assert advice.about == "cam-09, cam-08, cam-07, cam-06, cam-05 and 4 more"
    assert advice.since_ms == 91
    assert advice.details == ("cam-09: no word 9", "cam-08: no word 8", "cam-07: no word 7")


def test_one_code_of_two_severities_counts_as_the_worse():
    problems = [
        problem("a", "x", severity=Severity.NOTICE, since_ms=1),
        problem("a", "y", severity=Severity.CRITICAL, since_ms=2),
    ]
    (advice,) = advise(calm(problems=problems))
    assert (advice.severity, advice.about, advice.since_ms) == (Severity.CRITICAL, "y and x", 1)


def test_cause_and_first_action_are_those_of_the_vocabulary():
    (advice,) = advise(calm(problems=[problem("disk-write-failed", "spool", detail="EIO")]))
    assert (advice.cause, advice.action) == (
        "Cause of disk-write-failed.",
        "Action of disk-write-failed.",
    )
    assert (advice.about, advice.details) == ("Storage", ("EIO",))


def test_an_offline_device_is_a_thing_to_do_before_any_problem_is_raised():
    (advice,) = advise(
        calm(devices=[device("cam-01"), device("cam-02", state="offline", last_seen_ms=5)])
    )
    assert (advice.title, advice.severity, advice.since_ms) == (
        "cam-02 is offline",
        Severity.WARNING,
        5,
    )
    assert advice.action == "Check its power, then its network cable."


def test_a_device_whose_problem_is_raised_is_not_told_twice():
    devices = [device("cam-01"), device("cam-02", state="offline")]
    told = advise(calm(devices=devices, problems=[problem("device-silent", "cam-02")]))
    assert [advice.code for advice in told] == ["device-silent"]


def test_a_notice_about_a_device_does_not_hide_that_it_is_offline():
    devices = [device("cam-01"), device("cam-02", state="offline")]
    notice = problem("certificate-expires-soon", "cam-02", severity=Severity.NOTICE)
    assert advise(calm(devices=devices, problems=[notice]))[0].title == "cam-02 is offline"


def test_a_whole_line_offline_is_critical_and_points_at_what_they_share():
    devices = [device(f"cam-{n}", state="offline") for n in range(3)]
    (advice,) = advise(calm(devices=devices))
    assert advice.severity is Severity.CRITICAL
    assert advice.action == "Check the power and the network switch of the line."


def test_a_revoked_device_is_nobodys_task():
    devices = [device("cam-01"), device("old", state="offline", access=Access.REVOKED)]
    assert advise(calm(devices=devices)) == ()


def test_a_device_in_quarantine_must_not_be_switched_off():
    (advice,) = advise(calm(devices=[device("cam-01", access=Access.QUARANTINED)]))
    assert advice.title == "cam-01 is cut off"
    assert advice.action == "Do not switch it off. Call the security officer."


def test_while_the_broker_is_down_no_device_is_blamed():
    devices = [device("cam-01", state="offline")]
    (advice,) = advise(calm(devices=devices, broker=BrokerStatus(pid=None, state="down")))
    assert advice.title == "Devices cannot reach the gateway"
    assert advice.severity is Severity.CRITICAL


def test_the_uplink_is_told_once_whoever_tells_it():
    down = UplinkStatus(state="offline", since_ms=7, parked=0, last_error=None)
    (derived,) = advise(calm(uplink=down))
    assert (derived.title, derived.since_ms) == ("The connection to the cloud is down", 7)
    (raised,) = advise(calm(uplink=down, problems=[problem("uplink-offline", "uplink")]))
    assert raised.code == "uplink-offline"
    refused = UplinkStatus(state="misconfigured", since_ms=7, parked=0, last_error=None)
    (derived,) = advise(calm(uplink=refused))
    assert derived.title == "The cloud refuses this gateway"
    for code in ("uplink-misconfigured", "parking-tripped"):
        (told,) = advise(calm(uplink=refused, problems=[problem(code, "uplink")]))
        assert told.code == code
