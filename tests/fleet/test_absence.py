"""How long devices are away, as the gap report counts it."""

from gateway.fleet.absence import Absences
from gateway.model.gaps import DayCount
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime

CAM = DeviceId("cam-01")


def test_an_absence_is_counted_once_however_often_it_is_written_down():
    away = Absences()
    away.gone(CAM, SiteTime(1_000))
    assert away.take(SiteTime(61_000)) == [DayCount(CAM, offline_ms=60_000)]
    assert away.take(SiteTime(71_000)) == [DayCount(CAM, offline_ms=10_000)]
    away.back(CAM, SiteTime(72_500))
    assert away.take(SiteTime(99_000)) == [DayCount(CAM, offline_ms=1_500)]
    assert away.take(SiteTime(999_000)) == []


def test_an_absence_said_twice_began_the_first_time():
    away = Absences()
    away.gone(CAM, SiteTime(1_000))
    away.gone(CAM, SiteTime(5_000))
    away.back(CAM, SiteTime(6_000))
    assert away.take(SiteTime(6_000)) == [DayCount(CAM, offline_ms=5_000)]


def test_a_short_absence_between_two_writings_is_not_forgotten():
    away = Absences()
    for began in (0, 10_000, 20_000):
        away.gone(CAM, SiteTime(began))
        away.back(CAM, SiteTime(began + 1_000))
    assert away.take(SiteTime(60_000)) == [DayCount(CAM, offline_ms=3_000)]


def test_a_device_that_was_there_all_along_owes_nothing():
    away = Absences()
    away.back(CAM, SiteTime(5_000))
    assert away.take(SiteTime(6_000)) == []
