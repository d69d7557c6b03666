"""Cut off, muted, released: each time for longer, and forgotten after a day of peace."""

import itertools

from gateway.intake.limits import IntakeLimits
from gateway.intake.noise import FORGOTTEN_MS, MOVES, Event, Noisy, Phase, advance
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime

LIMITS = IntakeLimits(noisy_first_s=60, noisy_most_s=600)
LOUD = DeviceId("press-07")
NOW = SiteTime(1_000_000)


def step(known: Noisy | None, event: Event, at: SiteTime = NOW) -> Noisy:
    after = advance(LOUD, known, event, at, LIMITS)
    assert after is not None
    return after


def test_each_time_a_device_is_cut_off_for_twice_as_long_up_to_a_bound():
    known, at, pauses_s = None, NOW, list[int]()
    for _ in range(6):
        known = step(known, Event.OVER, at)
        pauses_s.append((known.until - known.since) // 1000)
        at = known.until
        assert known.due(at)
        known = step(known, Event.RELEASE_DUE, at)
    assert pauses_s == [60, 120, 240, 480, 600, 600]


def test_a_device_is_not_due_before_its_time():
    known = step(None, Event.OVER)
    assert not known.due(SiteTime(known.until - 1))


def test_a_day_of_peace_is_forgiven():
    known = step(step(None, Event.OVER), Event.RELEASE_DUE)
    late = SiteTime(known.until + FORGOTTEN_MS)
    assert not known.forgotten(SiteTime(late - 1))
    assert step(known, Event.OVER, late).times == 1
    assert step(known, Event.OVER, SiteTime(late - 1)).times == 2


def test_a_device_that_floods_its_status_too_is_muted_until_the_same_time():
    cut = step(None, Event.OVER)
    muted = step(cut, Event.OVER, SiteTime(NOW + 5))
    assert (muted.phase, muted.until, muted.times) == (Phase.MUTED, cut.until, 1)
    assert step(muted, Event.RELEASE_DUE).phase is Phase.FREE


def test_whatever_else_happens_changes_nothing():
    for phase, event in itertools.product(Phase, Event):
        known = Noisy(LOUD, 1, NOW, NOW, phase)
        changed = advance(LOUD, known, event, NOW, LIMITS) is not None
        assert changed is ((phase, event) in MOVES), (phase, event)
