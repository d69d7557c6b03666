"""How the uplink stands after each kind of try, and that a portal is no cloud."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.time import SiteTime
from gateway.uplink.answer import BackOff, Delivered, Misconfigured, Park, Verdict
from gateway.uplink.connectivity import MOVES, Event, Link, Standing, advance, start
from gateway.uplink.problems import (
    BATCHES_PARKED,
    UPLINK_MISCONFIGURED,
    UPLINK_OFFLINE,
    of_parked,
    of_standing,
)

SILENT = BackOff("refused", answered=False)
TROUBLED = BackOff("503", answered=True)
AWAY = Misconfigured("401")


def at(seconds: float) -> SiteTime:
    return SiteTime(round(seconds * 1000))


def after(*verdicts: Verdict, every_s: float = 1) -> Standing:
    standing = start(at(0), configured=True)
    for turn, verdict in enumerate(verdicts, start=1):
        standing = advance(standing, verdict, at(turn * every_s))
    return standing


def test_every_pair_of_state_and_event_has_a_move():
    trying = [link for link in Link if link is not Link.OFF]
    assert set(MOVES) == {(link, event) for link in trying for event in Event}


@pytest.mark.parametrize("link", [link for link in Link if link is not Link.OFF])
@pytest.mark.parametrize("verdict", [Delivered(), Park("422")])
def test_an_answer_of_the_protocol_leads_online_from_everywhere(link, verdict):
    assert advance(Standing(link, at(0)), verdict, at(1)).link is Link.ONLINE


def test_one_failure_degrades_and_a_second_silence_is_offline():
    assert after(Delivered(), SILENT).link is Link.DEGRADED
    assert after(Delivered(), SILENT, SILENT).link is Link.OFFLINE


def test_a_cloud_that_stumbles_for_a_minute_is_offline():
    assert after(Delivered(), *[TROUBLED] * 7, every_s=9).link is Link.DEGRADED
    assert after(Delivered(), *[TROUBLED] * 8, every_s=9).link is Link.OFFLINE


def test_stumbling_counts_from_the_first_failure_and_not_from_the_last_success():
    assert after(Delivered(), TROUBLED, every_s=3600).link is Link.DEGRADED


def test_a_portal_that_begins_to_answer_is_no_cloud():
    assert after(SILENT, SILENT, TROUBLED).link is Link.OFFLINE


def test_a_misconfigured_uplink_whose_network_fails_is_offline():
    assert after(AWAY, SILENT).link is Link.OFFLINE


def test_since_is_the_begin_of_the_state_and_not_of_the_last_try():
    assert after(SILENT, SILENT, SILENT).since == at(1)
    assert after(Delivered(), Delivered(), Delivered()).since == at(1)


def test_the_last_error_stays_as_history_and_failures_start_over():
    standing = after(AWAY, Delivered())
    assert (standing.last_error, standing.failures) == ("401", 0)
    assert after(SILENT, TROUBLED).failures == 2


def test_the_reason_of_a_parked_batch_is_the_last_error_of_an_online_uplink():
    standing = after(Delivered(), Park("422: no"))
    assert (standing.link, standing.last_error) == (Link.ONLINE, "422: no")


def test_an_uplink_that_is_off_tries_nothing():
    with pytest.raises(ValueError, match="a try was taken while the uplink is off"):
        advance(start(at(0), configured=False), Delivered(), at(1))


@given(st.lists(st.sampled_from([Delivered(), Park("422"), SILENT, TROUBLED, AWAY])))
def test_only_a_standing_that_needs_somebody_is_a_problem(verdicts):
    standing = after(*verdicts)
    raised = of_standing(standing)
    expected = {Link.OFFLINE: UPLINK_OFFLINE, Link.MISCONFIGURED: UPLINK_MISCONFIGURED}
    assert (raised.problem if raised else None) == expected.get(standing.link)
    if raised:
        assert raised.detail == standing.last_error


def test_parked_batches_are_counted_in_words():
    assert of_parked(0, "") is None
    one, two = of_parked(1, "422: no"), of_parked(2, "")
    assert one is not None
    assert two is not None
    assert (one.problem, one.detail) == (BATCHES_PARKED, "1 batch is parked; 422: no")
    assert two.detail == "2 batches are parked"


def test_states_and_problem_codes_are_spelled_for_ever():
    assert [link.value for link in Link] == [
        "online",
        "degraded",
        "offline",
        "misconfigured",
        "off",
    ]
    codes = {problem.code for problem in (UPLINK_OFFLINE, UPLINK_MISCONFIGURED, BATCHES_PARKED)}
    assert codes == {"uplink-offline", "uplink-misconfigured", "batches-parked"}
