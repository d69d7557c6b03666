"""Epochs of a device: four are open, more close the one that rested longest."""

from gateway.intake.receipt import EPOCHS_CLOSED_KEPT, EPOCHS_OPEN_MAX
from gateway.intake.store import Origin, origins
from gateway.model.message import Receipt
from gateway.model.time import SiteTime
from tests.support.desk import Desk, data, status


def states(desk: Desk) -> dict[int, str]:
    return dict(desk.rows("SELECT epoch, state FROM origin ORDER BY epoch"))


def conflict(epoch: int, seq: int = 1) -> Receipt:
    return Receipt(epoch, 0, 0, refused=(("data", seq, "conflict"),))


async def test_four_epochs_of_a_device_stay_open(desk: Desk):
    for epoch in range(1, EPOCHS_OPEN_MAX + 1):
        await desk.take(data(1, epoch=epoch))
    for epoch in range(1, EPOCHS_OPEN_MAX + 1):
        assert await desk.receipt(data(2, epoch=epoch)) == Receipt(epoch, 0, 2)


async def test_the_fifth_epoch_closes_the_one_that_rested_longest(desk: Desk):
    for epoch in (1, 2, 3, 4):
        await desk.take(data(1, epoch=epoch))
    await desk.take(data(2, epoch=1))  # so 2 has rested longest
    assert await desk.receipt(data(1, epoch=5)) == Receipt(5, 0, 1)
    assert states(desk) == {1: "open", 2: "closed", 3: "open", 4: "open", 5: "open"}


async def test_another_device_closes_nothing_here(desk: Desk):
    await desk.take(data(1, epoch=1))
    for epoch in range(2, 8):
        await desk.take(data(1, epoch=epoch, device="cam-02"))
    assert await desk.receipt(data(2, epoch=1)) == Receipt(1, 0, 2)


async def test_a_closed_epoch_says_conflict_and_keeps_nothing_more(desk: Desk):
    for epoch in (1, 2, 3, 4, 5):
        await desk.take(data(1, epoch=epoch))
    await desk.restart()
    assert await desk.receipt(data(1, epoch=1)) == conflict(1)
    assert await desk.receipt(data(2, epoch=1)) == conflict(1, seq=2)
    assert await desk.receipt(status(1, datas=2)) == conflict(1)
    assert desk.kept(1) == [1]
    assert desk.rows("SELECT count(*) FROM seen WHERE origin = 1") == [(0,)]


async def test_a_conflicted_epoch_counts_among_the_four_and_closes_like_any_other(desk: Desk):
    await desk.take(data(1, "one", epoch=1))
    await desk.take(data(1, "other", epoch=1))
    for epoch in (2, 3, 4, 5):
        await desk.take(data(1, epoch=epoch))
    assert states(desk)[1] == "closed"
    assert await desk.receipt(data(1, "one", epoch=1)) == conflict(1)


async def test_a_status_keeps_its_epoch_in_use(desk: Desk):
    for epoch in (1, 2, 3, 4):
        await desk.take(data(1, epoch=epoch))
    await desk.take(status(1, datas=1))
    await desk.take(data(1, epoch=5))
    assert states(desk)[1] == "open"


async def test_an_epoch_used_in_the_batch_that_opens_the_fifth_is_not_the_one_that_rested(
    desk: Desk,
):
    for epoch in (1, 2, 3, 4):
        await desk.take(data(1, epoch=epoch))
    await desk.take(data(2, epoch=1), data(4, epoch=1), data(1, epoch=5))
    assert states(desk) == {1: "open", 2: "closed", 3: "open", 4: "open", 5: "open"}
    await desk.take(data(4, epoch=1), data(3, epoch=1))
    assert desk.kept(1) == [1, 2, 3, 4]


async def test_five_new_epochs_in_one_batch_leave_four_open_and_store_nothing_twice(desk: Desk):
    first = [data(seq, epoch=epoch) for epoch in (1, 2, 3, 4, 5) for seq in (1, 3)]
    result = await desk.take(*first)
    assert states(desk) == {1: "closed", 2: "open", 3: "open", 4: "open", 5: "open"}
    assert {r.epoch: r for _, r in result.receipts}[1] == conflict(1)
    await desk.take(*first)
    assert [desk.kept(epoch) for epoch in (1, 2, 3, 4, 5)] == [[1, 3]] * 5


async def test_a_device_that_draws_an_epoch_a_message_is_stored_and_forgotten_in_bounds(desk: Desk):
    many = EPOCHS_CLOSED_KEPT + EPOCHS_OPEN_MAX + 40
    await desk.take(data(1, epoch=1))
    result = await desk.take(*[data(1, epoch=epoch) for epoch in range(1, many + 1)])
    assert result.stored == many - 1
    kept = desk.rows("SELECT state, count(*) FROM origin GROUP BY state ORDER BY state")
    assert kept == [("closed", EPOCHS_CLOSED_KEPT), ("open", EPOCHS_OPEN_MAX)]
    assert desk.rows("SELECT count(*) FROM seen") == [(EPOCHS_OPEN_MAX,)]
    newest = range(many - EPOCHS_OPEN_MAX + 1, many + 1)
    assert [epoch for epoch, state in states(desk).items() if state == "open"] == list(newest)


async def test_the_page_shows_the_marks_of_the_epoch_that_a_device_used_last(desk: Desk):
    await desk.take(data(1, epoch=1), data(1, device="cam-02"))
    await desk.take(data(1, epoch=2), data(2, epoch=2))
    last_used = SiteTime(desk.now_ms)
    async with desk.engine.reader() as db:
        found = await origins(db)
    assert found == {
        "cam-01": Origin(2, 0, 2, last_used),
        "cam-02": Origin(7, 0, 1, SiteTime(last_used - 1_000)),
    }
