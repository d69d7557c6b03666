"""Which sealed batch is sent next, and how much is sealed ahead."""

import pytest

from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.uplink.turn import RESTING_A_CLASS_MAX, SEALED_WAIT_MS, Sealed, Turn, choose, sealable

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
NOW = SiteTime(10_000_000)
LATE = SiteTime(NOW + SEALED_WAIT_MS)
ANY = Turn()
ALL = {ALERT, ERROR_LOG, RESULT, LOG}


def waiting(*classes: MessageClass) -> list[Sealed]:
    return [Sealed(n, f"{one.value}-{n}", one, NOW) for n, one in enumerate(classes, 1)]


def chosen(batches: list[Sealed], turn: Turn = ANY, now: SiteTime = NOW, last=None) -> str | None:
    found = choose(batches, turn, now, last)
    return None if found is None else found.sha256


def test_alerts_go_before_what_was_sealed_earlier_and_else_the_oldest_goes():
    assert chosen(waiting(RESULT, LOG, ALERT)) == "alert-3"
    assert chosen(waiting(RESULT, LOG)) == "result-1"
    assert chosen([]) is None


@pytest.mark.parametrize("last", [None, RESULT, LOG])
def test_after_anything_but_an_alert_an_alert_goes(last):
    assert chosen(waiting(LOG, RESULT, ALERT), now=LATE, last=last) == "alert-3"


def test_a_batch_that_waited_is_sent_between_two_of_alerts():
    """After an outage alerts that never end held back what was sealed in it, for ever."""
    assert chosen(waiting(LOG, RESULT, ALERT), now=LATE, last=ALERT) == "log-1"
    assert chosen(waiting(LOG, ALERT), now=SiteTime(LATE - 1), last=ALERT) == "alert-2"
    assert chosen(waiting(ALERT, ALERT), now=LATE, last=ALERT) == "alert-1"


def test_what_rests_is_passed_over():
    assert chosen(waiting(ALERT, RESULT), Turn(resting=frozenset({"alert-1"}))) == "result-2"
    assert chosen(waiting(ALERT), Turn(resting=frozenset({"alert-1"}))) is None


def test_a_class_that_may_not_leave_now_is_passed_over():
    night = Turn(classes=frozenset({ALERT, RESULT}))
    assert chosen(waiting(LOG, RESULT), night) == "result-2"
    assert chosen(waiting(LOG), night) is None


def test_one_batch_of_a_class_is_sealed_ahead_and_no_more():
    assert sealable([], ANY) == ALL
    assert sealable(waiting(RESULT), ANY) == ALL - {RESULT}
    assert sealable(waiting(RESULT), Turn(classes=frozenset({RESULT, LOG}))) == {LOG}


def test_beside_batches_that_rest_others_of_their_class_are_sealed_up_to_a_bound():
    many = waiting(*[RESULT] * RESTING_A_CLASS_MAX)
    resting = Turn(resting=frozenset(one.sha256 for one in many))
    assert sealable(many[1:], resting) == ALL
    assert sealable(many, resting) == ALL - {RESULT}
