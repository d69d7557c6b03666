"""Gap reports: added up by day of site time, bounded, and in the transaction that admits."""

from gateway.model.gaps import DAY_MS, DAYS_KEPT, DayCount
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime
from gateway.spool import gaps
from gateway.spool.gaps import Gap
from tests.support.desk import Desk, data, status, undeclared

CAM, PRESS = DeviceId("cam-01"), DeviceId("press-07")
DAY = SiteTime(DAY_MS)


async def test_a_report_adds_up_the_days_that_are_asked_for(desk: Desk):
    for day, count in ((1, DayCount(CAM, 10)), (2, DayCount(CAM, 5, 14)), (3, DayCount(PRESS, 1))):
        await desk.engine.write(gaps.tally, [count], SiteTime(day * DAY_MS))
    async with desk.engine.reader() as db:
        assert await gaps.report(db, SiteTime(3 * DAY_MS + 5), 2) == [
            Gap(CAM, 5, 14, 0, 0),
            Gap(PRESS, 1, 0, 0, 0),
        ]
        assert await gaps.report(db, SiteTime(3 * DAY_MS), 31, CAM) == [Gap(CAM, 15, 14, 0, 0)]


async def test_the_table_is_bounded_by_days(desk: Desk):
    for day in range(1, 200):
        now = SiteTime(day * DAY_MS)
        await desk.engine.write(gaps.tally, [DayCount(CAM, 1), DayCount(PRESS, 1)], now)
        await desk.engine.write(gaps.forget, now)
    assert desk.rows("SELECT count(*), min(day) FROM device_day") == [(2 * DAYS_KEPT, 169)]


async def test_duplicates_and_declared_gaps_are_counted_in_the_transaction_that_admits(desk: Desk):
    await desk.take(data(1), data(2), undeclared(3))
    await desk.take(data(2), data(2), data(7, base=7))
    await desk.restart()
    async with desk.engine.reader() as db:
        assert await gaps.report(db, DAY, 31) == [Gap(CAM, 4, 2, 3, 0)]


async def test_what_was_declared_lost_and_came_after_all_is_not_reported_as_lost(desk: Desk):
    await desk.take(data(1), data(4, base=4))
    await desk.take(data(2), data(3))
    async with desk.engine.reader() as db:
        assert await gaps.report(db, DAY, 31) == [Gap(CAM, 4, 0, 0, 0)]


async def test_a_status_alone_writes_no_row(desk: Desk):
    await desk.take(data(1, device="press-07"))
    await desk.take(status(epoch=7))
    assert desk.rows("SELECT device FROM device_day") == [("press-07",)]


async def test_what_the_gateway_took_and_lost_stands_beside_what_the_device_gave_up(desk: Desk):
    await desk.take(data(1), data(3, base=3))
    rows = [
        ("cam-01", "shed:disk", 4),
        ("cam-01", "expired:undelivered", 1),
        ("cam-01", "expired", 9),
    ]
    await desk.engine.write(
        lambda db: db.executemany("INSERT INTO dropped VALUES (?, 'log', ?, ?)", rows)
    )
    async with desk.engine.reader() as db:
        assert await gaps.report(db, DAY, 7) == [Gap(CAM, 2, 0, 1, 0, lost=5)]
        assert await gaps.report(db, DAY, 7, PRESS) == []


async def test_a_day_on_which_lost_messages_came_after_all_lost_none(desk: Desk):
    """They were declared lost a day before; a report of today alone said minus two."""
    await desk.engine.write(gaps.tally, [DayCount(CAM, declared_lost=2)], SiteTime(DAY_MS))
    later = [DayCount(CAM, 2, declared_lost=-2)]
    await desk.engine.write(gaps.tally, later, SiteTime(2 * DAY_MS))
    async with desk.engine.reader() as db:
        assert await gaps.report(db, SiteTime(2 * DAY_MS), 1) == [Gap(CAM, 2, 0, 0, 0)]
        assert await gaps.report(db, SiteTime(2 * DAY_MS), 2) == [Gap(CAM, 2, 0, 0, 0)]
