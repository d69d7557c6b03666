"""When a commit is due: alerts at once, data in groups, never later than a device can use."""

import pytest

from gateway.intake.limits import IntakeLimits
from gateway.intake.pace import Group
from gateway.model.identity import DeviceId
from gateway.model.outcome import Stream
from gateway.model.time import Instant

LIMITS = IntakeLimits(window=50, alert_linger_ms=5, data_linger_ms=250, commit_messages=500)


def group(*arrivals: tuple[str, Stream, float], limits: IntakeLimits = LIMITS) -> Group:
    one = Group(limits)
    for device, stream, at_s in arrivals:
        one.add(DeviceId(device), stream, Instant(at_s))
    return one


def due_in_s(one: Group, now_s: float) -> float:
    found = one.due_in_s(Instant(now_s))
    assert found is not None
    return found


def test_nothing_is_due_while_nothing_waits():
    assert group().due_in_s(Instant(5)) is None


@pytest.mark.parametrize(("now_s", "left_s"), [(10.0, 0.25), (10.1, 0.15), (10.3, 0.0)])
def test_data_waits_a_quarter_of_a_second_for_company(now_s: float, left_s: float):
    assert due_in_s(group(("a", Stream.DATA, 10.0)), now_s) == pytest.approx(left_s)


def test_an_alert_takes_the_data_that_waits_with_it():
    one = group(("a", Stream.DATA, 10.0), ("b", Stream.ALERT, 10.1))
    assert due_in_s(one, 10.1) == pytest.approx(0.005)


def test_data_that_is_nearly_due_does_not_wait_for_an_alert_that_came_late():
    one = group(("a", Stream.DATA, 10.0), ("b", Stream.ALERT, 10.249))
    assert due_in_s(one, 10.249) == pytest.approx(0.001)


def test_later_companions_do_not_put_the_commit_off():
    one = group(("a", Stream.DATA, 10.0), ("b", Stream.DATA, 10.2), ("a", Stream.DATA, 10.24))
    assert due_in_s(one, 10.24) == pytest.approx(0.01)
    alerts = group(("a", Stream.ALERT, 10.0), ("b", Stream.ALERT, 10.004))
    assert due_in_s(alerts, 10.004) == pytest.approx(0.001)


def test_half_a_window_of_one_device_is_due_at_once_since_it_soon_stands_still():
    waiting = [("a", Stream.DATA, 10.0)] * 24
    assert due_in_s(group(*waiting), 10.0) > 0
    assert due_in_s(group(*waiting, ("a", Stream.DATA, 10.0)), 10.0) == 0
    spread = [(f"d{number}", Stream.DATA, 10.0) for number in range(100)]
    assert due_in_s(group(*spread), 10.0) > 0


def test_a_window_of_one_is_due_with_its_first_message():
    assert due_in_s(group(("a", Stream.DATA, 10), limits=IntakeLimits(window=1)), 10) == 0


def test_a_full_commit_does_not_wait():
    limits = IntakeLimits(commit_messages=3)
    three = [(f"d{number}", Stream.DATA, 10.0) for number in range(3)]
    assert due_in_s(group(*three[:2], limits=limits), 10.0) > 0
    assert due_in_s(group(*three, limits=limits), 10.0) == 0
