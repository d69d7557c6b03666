"""Windows of the day: which is in force, and what may leave in it."""

import msgspec
import pytest

from gateway.model.outcome import MessageClass
from gateway.uplink.schedule import Rule, Window, in_force

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
NIGHT = Window("22:00", "06:00", 1_000_000)
DAY = Window("06:00", "22:00", 2_000, ("error-log", "result"))
EVERYTHING = frozenset({ALERT, ERROR_LOG, RESULT, LOG})


def minute(text: str) -> int:
    return 60 * int(text[:2]) + int(text[3:])


@pytest.mark.parametrize("time", ["22:00", "23:59", "00:00", "05:59"])
def test_a_window_may_lie_across_midnight(time):
    assert in_force([NIGHT], 7, minute(time)) == Rule(1_000_000, EVERYTHING)


@pytest.mark.parametrize("time", ["06:00", "12:00", "21:59"])
def test_outside_of_all_windows_everything_leaves_at_the_general_rate(time):
    assert in_force([NIGHT], 7, minute(time)) == Rule(7, EVERYTHING)


def test_alerts_leave_in_every_window_named_or_not():
    assert in_force([DAY], 0, minute("08:00")).classes == {ALERT, ERROR_LOG, RESULT}
    none = Window("06:00", "22:00", 0, ())
    assert in_force([none], 0, minute("08:00")).classes == {ALERT}


def test_the_first_window_that_fits_holds():
    noon = Window("12:00", "13:00", 5)
    assert in_force([noon, DAY], 0, minute("12:30")).bytes_per_s == 5
    assert in_force([DAY, noon], 0, minute("12:30")).bytes_per_s == 2_000


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"from": "24:00", "to": "06:00"}, "from"),
        ({"from": "6:00", "to": "07:00"}, "from"),
        ({"from": "06:00", "to": "06:00"}, "holds no minute"),
        ({"from": "06:00", "to": "07:00", "classes": ["metric"]}, "metric"),
        ({"from": "06:00", "to": "07:00", "bytes_per_s": -1}, "bytes_per_s"),
        ({"from": "06:00"}, "to"),
        ({"from": "06:00", "to": "07:00", "begin": "05:00"}, "begin"),
    ],
)
def test_a_window_that_could_not_work_is_refused_by_name(keys, words):
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(keys, Window)
