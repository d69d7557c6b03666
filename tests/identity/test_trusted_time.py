"""Site time follows the wall clock no further than nobody can be fooled."""

import pytest

from gateway.identity.limits import CLOCK_FLOOR_MS, DAY_MS
from gateway.identity.problems import CLOCK_DOUBTFUL
from gateway.identity.trusted_time import (
    AGREEMENT_MS,
    BEHIND_MAX_MS,
    LEAP_MAX_MS,
    agree,
    begin,
    believe,
)
from gateway.model.time import SiteTime, UnixMs

NOW = SiteTime(1_800_000_000_000)  # 2027-01-15
YEAR_MS = 365 * DAY_MS


@pytest.mark.parametrize(
    ("floor", "wall", "begins"),
    [
        (0, NOW, NOW),
        (0, 0, CLOCK_FLOOR_MS),
        (NOW, NOW + YEAR_MS, NOW),
        (NOW, 0, NOW),
    ],
    ids=["first start", "first start without a clock", "a year ahead", "without a clock"],
)
def test_a_start_goes_on_from_the_stored_floor(floor: int, wall: int, begins: int):
    assert begin(SiteTime(floor), UnixMs(wall)) == begins


@pytest.mark.parametrize("off_ms", [0, 1, LEAP_MAX_MS])
def test_a_clock_that_is_a_little_ahead_is_followed(off_ms: int):
    belief = believe(NOW, UnixMs(NOW + off_ms), agreed=False)
    assert (belief.site, belief.doubt) == (NOW + off_ms, None)


@pytest.mark.parametrize("off_ms", [LEAP_MAX_MS + 1, YEAR_MS, 1_000 * YEAR_MS, 10**18])
def test_a_clock_that_is_far_ahead_is_doubted_and_not_followed(off_ms: int):
    belief = believe(NOW, UnixMs(NOW + off_ms), agreed=False)
    assert belief.site == NOW
    assert belief.doubt is not None
    assert belief.doubt.problem is CLOCK_DOUBTFUL


def test_a_clock_that_is_far_ahead_is_followed_when_somebody_agrees():
    belief = believe(NOW, UnixMs(NOW + YEAR_MS), agreed=True)
    assert (belief.site, belief.doubt) == (NOW + YEAR_MS, None)


@pytest.mark.parametrize("agreed", [False, True])
@pytest.mark.parametrize("behind_ms", [BEHIND_MAX_MS + 1, YEAR_MS, NOW])
def test_a_clock_that_is_behind_is_doubted_whoever_agrees(behind_ms: int, *, agreed: bool):
    belief = believe(NOW, UnixMs(NOW - behind_ms), agreed=agreed)
    assert belief.site == NOW
    assert belief.doubt is not None
    assert "behind the site's own time, 2027-01-15 08:00 UTC" in belief.doubt.detail


def test_a_clock_that_is_a_little_behind_is_not_followed_and_not_doubted():
    belief = believe(NOW, UnixMs(NOW - BEHIND_MAX_MS), agreed=False)
    assert (belief.site, belief.doubt) == (NOW, None)


def test_clocks_agree_within_an_hour():
    assert agree(UnixMs(NOW), UnixMs(NOW + AGREEMENT_MS))
    assert agree(UnixMs(NOW), UnixMs(NOW - AGREEMENT_MS))
    assert not agree(UnixMs(NOW), UnixMs(NOW + AGREEMENT_MS + 1))
