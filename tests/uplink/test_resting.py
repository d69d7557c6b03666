"""One batch that always fails rests alone; a bad way stops everything."""

import pytest

from gateway.model.time import Instant
from gateway.uplink.connectivity import Link
from gateway.uplink.resting import REMEMBERED_MAX, Resting, stops_all, woken


def test_a_failed_batch_rests_until_its_time_and_remembers_how_often_it_failed():
    resting = Resting().failed("a", Instant(5)).failed("b", Instant(9))
    assert resting.at(Instant(4.9)) == {"a", "b"}
    assert resting.first_in_s(Instant(4)) == 1
    assert resting.at(Instant(5)) == {"b"}
    again = resting.failed("a", Instant(20))
    assert (again.failures("a"), again.failures("b"), again.failures("c")) == (2, 1, 0)
    assert again.ended("a").failures("a") == 0
    assert again.ended("a").ended("b").first_in_s(Instant(0)) is None


def test_woken_batches_may_all_be_tried_and_keep_their_count():
    resting = Resting().failed("a", Instant(500)).awake(Instant(1))
    assert resting.at(Instant(1)) == frozenset()
    assert resting.failures("a") == 1


@pytest.mark.parametrize("link", [Link.DEGRADED, Link.OFFLINE, Link.MISCONFIGURED])
def test_silence_stops_everything_unless_others_have_just_come_through(link):
    assert stops_all(link, answered=False, asked=False)
    assert not stops_all(Link.ONLINE, answered=False, asked=False)


@pytest.mark.parametrize("link", [Link.ONLINE, Link.DEGRADED, Link.OFFLINE])
def test_an_answer_stops_one_batch_unless_the_cloud_asks_for_a_pause(link):
    assert not stops_all(link, answered=True, asked=False)
    assert stops_all(link, answered=True, asked=True)


def test_all_are_woken_when_the_cloud_comes_back_and_not_after_each_hiccup():
    assert woken(Link.OFFLINE, Link.ONLINE)
    assert woken(Link.MISCONFIGURED, Link.ONLINE)
    assert not woken(Link.DEGRADED, Link.ONLINE)
    assert not woken(Link.ONLINE, Link.DEGRADED)


def test_what_is_remembered_is_bounded_and_the_longest_awake_is_forgotten_first():
    resting = Resting()
    for number in range(3 * REMEMBERED_MAX):
        resting = resting.failed(f"batch-{number}", Instant(number))
    assert len(resting.batches) == REMEMBERED_MAX
    assert resting.failures(f"batch-{3 * REMEMBERED_MAX - 1}") == 1
    assert resting.failures("batch-0") == 0
