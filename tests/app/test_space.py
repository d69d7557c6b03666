"""A disk that refuses: one clear problem each, room is made, and all goes on by itself."""

import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.app.offline import SPOOL_MIGRATIONS, STATE_MIGRATIONS
from gateway.app.space import Space, kept
from gateway.app.voices import Voices
from gateway.model.errors import OperatorFaultError
from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.spool import making, store
from gateway.spool.budget import Level
from gateway.spool.disk import Store
from gateway.spool.limits import GIB, SpoolLimits
from gateway.store import site_time
from gateway.store.sqlite import Engine
from tests.simulators.clock import SteppedClock
from tests.support.small_disk import MIB, fill, small_disk
from tests.support.spooled import CIPHER, CONTRACTS, item, message

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
LIMITS = SpoolLimits(
    bytes_max=GIB, alert_reserve_bytes=2 * MIB, state_reserve_bytes=6 * MIB, look_every_s=1
)


class Room:
    """A queue on a disk of 32 MiB, and who keeps its room."""

    def __init__(self, disk: Path, engine: Engine) -> None:
        self.disk = disk
        self.engine = engine
        self.voices = Voices(SteppedClock())
        place = Store(disk / "spool.db", LIMITS.state_reserve_bytes)
        self.space: Space = kept(LIMITS, place, engine, self.voices, lambda: "")
        self.seq = 0

    @property
    def other(self) -> Path:
        return self.disk / "other-program.log"

    async def put(self, message_class: MessageClass, messages: int) -> None:
        """Keep so many messages of about 10 KB, as one transaction."""
        made = [
            message(self.seq + n, message_class, *[item(message_class)] * 100)
            for n in range(1, messages + 1)
        ]
        self.seq += messages
        now = self.voices.clock.site()
        await self.engine.write(store.enqueue, made, now, CONTRACTS, CIPHER)

    async def put_until_full(self, message_class: MessageClass) -> None:
        """Keep messages until there is no room for data."""
        while (await self.engine.write(self.space.left)).data_bytes > 0:
            await self.put(message_class, 20)

    def problems(self) -> set[tuple[str, str]]:
        standing = self.voices.register.problems.values()
        return {(one.raised.problem.code, one.raised.subject) for one in standing}

    def waiting(self, message_class: MessageClass) -> int:
        with sqlite3.connect(self.disk / "spool.db") as db:
            where = (message_class.value,)
            sql = "SELECT count(*) FROM message WHERE class = ?"
            return int(db.execute(sql, where).fetchone()[0])


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    with small_disk(tmp_path / "disk", mib=32) as disk:
        async with Engine(disk / "spool.db", SPOOL_MIGRATIONS) as engine:
            yield Room(disk, engine)


async def refused(room: Room) -> sqlite3.Error:
    """Write what cannot fit, and return what SQLite says."""
    with pytest.raises(sqlite3.Error) as raised:
        await room.put(RESULT, 2_000)
    return raised.value


async def test_a_full_disk_gives_up_the_reserve_and_the_next_write_gets_through(room: Room):
    await room.space.look()
    fill(room.other)
    room.voices.refused("spool.db", await refused(room))
    assert room.problems() == {("disk-full", "spool.db")}
    assert not room.space.place.reserve.exists()
    await room.put(ALERT, 20)
    assert room.waiting(ALERT) == 20


async def test_the_reserve_is_laid_again_when_space_returns_and_the_problem_goes(room: Room):
    await room.space.look()
    fill(room.other)
    room.voices.refused("spool.db", await refused(room))
    await room.space.look()
    fill(room.other)
    await room.space.look()
    assert ("disk-full", "reserve") in room.problems()
    assert ("disk-full", "spool.db") not in room.problems()
    room.other.unlink()
    await room.space.look()
    assert room.problems() == set()
    assert room.space.place.look().reserve_bytes == LIMITS.state_reserve_bytes


async def test_the_state_gets_through_on_a_disk_that_is_full(room: Room):
    await room.space.look()
    async with Engine(room.disk / "state.db", STATE_MIGRATIONS) as state:
        state.relief = room.space.relieve
        fill(room.other)
        for number in range(1_000):  # far more than its WAL has room for
            await state.write(site_time.raise_floor, SiteTime(number))
    assert not room.space.place.reserve.exists()
    await room.space.look()
    assert ("disk-full", "reserve") in room.problems()


async def test_a_broker_whose_files_find_no_space_is_started_with_the_reserve(room: Room):
    await room.space.look()
    fill(room.other)

    async def begin() -> Path:
        try:
            (room.disk / "mosquitto.conf").write_bytes(bytes(100_000))
        except OSError as error:
            raise OperatorFaultError(str(error)) from error
        return room.disk

    assert await room.space.relieving(begin)() == room.disk
    (room.disk / "mosquitto.conf").unlink()
    fill(room.other)
    with pytest.raises(OperatorFaultError):
        await room.space.relieving(begin)()


async def test_a_write_of_the_state_that_fails_for_another_cause_leaves_the_reserve(room: Room):
    await room.space.look()
    assert not room.space.relieve(sqlite3.OperationalError("no such table"))
    assert room.space.place.reserve.exists()


async def test_room_is_made_by_order_on_a_disk_that_another_program_has_filled(room: Room):
    await room.space.look()
    await room.put(METRIC, 300)
    await room.put(ALERT, 20)
    await room.put_until_full(RESULT)
    fill(room.other)
    results = room.waiting(RESULT)
    await room.space.look()
    await room.space.look()
    assert room.space.found is not None
    assert room.space.found.level is not Level.FULL
    assert (room.waiting(METRIC), room.waiting(RESULT)) < (300, results)
    assert room.waiting(ALERT) == 20
    await room.put(ALERT, 20)


async def test_the_levels_are_told_and_taken_back(room: Room):
    await room.space.look()
    await room.put(METRIC, 1)  # it would pay for an alert, so alerts are not held back
    fill(room.other, but_bytes=5 * MIB)
    await room.engine.write(room.space.left)
    room.space.tell()
    assert room.problems() == {("data-held-back", "queue")}
    (standing,) = room.voices.register.problems.values()
    assert standing.raised.detail == "full, by the disk's space"
    assert not room.space.roomy()
    room.other.unlink()
    await room.engine.write(room.space.left)
    room.space.tell()
    assert room.problems() == set()
    assert room.space.roomy()


async def test_alerts_without_room_are_told_once_nothing_else_can_pay(room: Room):
    while (await room.engine.write(room.space.left)).alert_bytes > MIB // 4:
        await room.put(ALERT, 5)
    room.space.tell()
    assert ("alerts-held-back", "queue") in room.problems()


async def test_a_file_that_takes_no_writes_is_told_from_a_full_disk_and_mends_itself(room: Room):
    await room.space.look()
    assert room.engine._db is not None
    room.engine._db.execute("PRAGMA query_only = ON")
    room.voices.refused("spool.db", await refused(room))
    assert room.problems() == {("disk-read-only", "spool.db")}
    assert room.space.place.reserve.exists()
    with pytest.raises(sqlite3.OperationalError):
        await room.space.look()
    assert room.problems() == {("disk-read-only", "spool.db")}
    room.engine._db.execute("PRAGMA query_only = OFF")
    room.voices.refused("spool.db", sqlite3.OperationalError("again"))
    await room.space.look()
    assert room.problems() == set()


@contextmanager
def broken_beyond(size_bytes: int) -> Iterator[None]:
    """Let every write beyond ``size_bytes`` of a file fail, with another error than a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_an_input_output_error_is_neither_and_keeps_the_reserve(room: Room):
    await room.space.look()
    with broken_beyond(2 * MIB):
        error = await refused(room)
    assert error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR
    room.voices.refused("spool.db", error)
    assert room.problems() == {("disk-write-failed", "spool.db")}
    assert room.space.place.reserve.exists()
    await room.space.look()
    assert room.problems() == set()
    await room.put(RESULT, 20)


async def test_a_checkpoint_that_finds_no_space_loses_nothing_and_is_told(room: Room):
    await room.space.look()
    await room.put(RESULT, 300)  # in the WAL; the file has still to grow
    fill(room.other)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await room.engine.checkpoint()
    assert room.waiting(RESULT) == 300
    await room.space.look()  # which spends the reserve on it
    assert ("disk-full", "reserve") in room.problems()
    assert room.waiting(RESULT) + await room.engine.write(dropped) == 300


def dropped(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT total(messages) FROM dropped").fetchone()[0])


async def test_a_wal_that_cannot_grow_is_begun_anew_and_room_is_made_without_the_reserve(
    room: Room,
):
    await room.put(RESULT, 20)
    await room.engine.checkpoint()
    fill(room.other)
    with pytest.raises(sqlite3.OperationalError) as full:
        await probed_for_ever(room.engine)
    room.voices.refused("spool.db", full.value)
    assert not room.space.place.reserve.exists()
    await room.space.look()
    assert await room.engine.write(dropped) > 0
    assert ("disk-full", "spool.db") not in room.problems()


async def probed_for_ever(engine: Engine) -> None:
    while True:
        await engine.write(making.probe)


async def test_a_disk_that_cannot_be_asked_has_no_room(room: Room):
    gone = Store(room.disk / "gone" / "spool.db", MIB)
    assert gone.look().free_bytes == 0


async def test_a_file_that_was_set_aside_goes_before_any_message_does(room: Room):
    await room.space.look()
    for generation in (9, 10):
        (room.disk / f"spool.db.aside-{generation}").write_bytes(bytes(4 * MIB))
    await room.put_until_full(RESULT)
    waiting = room.waiting(RESULT)
    await room.space.look()
    assert [path.name for path in room.disk.glob("*.aside-*")] == ["spool.db.aside-10"]
    assert room.waiting(RESULT) == waiting
    await room.put_until_full(RESULT)
    waiting = room.waiting(RESULT)
    for _ in range(2):
        await room.space.look()
    assert list(room.disk.glob("*.aside-*")) == []
    await room.put_until_full(RESULT)
    waiting = room.waiting(RESULT)
    await room.space.look()
    assert room.waiting(RESULT) < waiting
