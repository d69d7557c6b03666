"""When parking stops: after so many refusals in a row, or so many parked within an hour."""

from gateway.model.time import SiteTime
from gateway.uplink.limits import UplinkLimits
from gateway.uplink.trip import HOUR_MS, Refusals

LIMITS = UplinkLimits(refused_in_a_row_max=3, parked_an_hour_max=4)
NOW = SiteTime(10**9)


NONE = Refusals()


def refused(times: int, refusals: Refusals = NONE) -> Refusals:
    for _ in range(times):
        refusals = refusals.refused(LIMITS)
    return refusals


def test_refusals_in_a_row_trip_beyond_the_limit():
    assert not refused(3).tripped
    assert refused(4).why == "4 refusals in a row and nothing taken between them"


def test_a_batch_that_is_taken_between_them_begins_a_new_row():
    assert not refused(3, refused(3).taken()).tripped


def test_once_tripped_nothing_but_a_person_resumes():
    assert refused(4).taken().tripped
    assert refused(4).parked([], LIMITS, SiteTime(NOW + 9 * HOUR_MS)).tripped


def test_parked_batches_count_for_an_hour():
    times = [SiteTime(NOW + n) for n in range(5)]
    assert not Refusals().parked(times[:4], LIMITS, NOW).tripped
    over = Refusals().parked(times, LIMITS, NOW)
    assert over.why == "more than 4 batches parked within an hour"
    later = Refusals().parked(times[:4], LIMITS, NOW)
    assert not later.parked([times[4]], LIMITS, SiteTime(NOW + HOUR_MS + 10)).tripped


def test_what_is_remembered_is_bounded():
    many = Refusals().parked([SiteTime(NOW + n) for n in range(1_000)], LIMITS, NOW)
    assert len(many.parked_at) == 5
