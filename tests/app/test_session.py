"""What a session says of its devices, and for how long."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.app.device import Fleet
from gateway.app.session import DAY_MS, REFUSALS_STAND_MS, Session
from gateway.app.voices import Voices
from gateway.broker.service import Seen
from gateway.intake.admitted import Admitted
from gateway.intake.wire import Reason, StatusReport
from gateway.model.gaps import DayCount
from gateway.model.identity import DeviceId
from gateway.model.message import Key
from gateway.model.outcome import Stream
from tests.simulators.clock import SteppedClock
from tests.support.desk import status as desk_status

CAM = DeviceId("cam-01")


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def session(clock: SteppedClock) -> Session:
    nobody = cast("Any", None)  # no connection is made here: only what is said is looked at
    point: Callable[[str], None] = lambda _: None  # noqa: E731
    return Session("", "", nobody, nobody, Seen(), Voices(clock), point)


def standing(session: Session) -> set[tuple[str, str]]:
    return set(session.voices.register.problems)


async def test_a_conflict_stands_for_a_day_although_the_device_drew_a_new_epoch(
    session: Session, clock: SteppedClock
):
    session.admitted(Admitted(conflicts=[Key(CAM, 7, Stream.DATA, 3)]))
    session.admitted(Admitted(stored=1, opened=[CAM]))
    assert standing(session) == {("device-key-conflict", CAM)}
    await clock.step(DAY_MS / 1000 - 1)
    session._forgive()
    assert standing(session) == {("device-key-conflict", CAM)}
    await clock.step(1)
    session._forgive()
    assert standing(session) == set()


async def test_refusals_are_forgiven_when_a_device_has_sent_nothing_wrong_for_a_while(
    session: Session, clock: SteppedClock
):
    session.admitted(Admitted(refused=[(CAM, Reason.CONTRACT)]))
    await clock.step(REFUSALS_STAND_MS / 1000 - 1)
    session.admitted(Admitted(refused=[(CAM, Reason.CONTRACT)]))
    await clock.step(2)
    session._forgive()
    assert standing(session) == {("dead-letters-many", CAM)}
    await clock.step(REFUSALS_STAND_MS / 1000)
    session._forgive()
    assert standing(session) == set()


def test_messages_that_were_held_back_are_counted_by_their_stream(session: Session):
    session.admitted(Admitted(held=Counter({Stream.ALERT: 2, Stream.DATA: 3})))
    counters = session.voices.register.counters
    assert counters["messages_held_back_total:alert"] == 2
    assert counters["messages_held_back_total:data"] == 3


def test_messages_that_a_device_declared_lost_are_counted_and_logged(session: Session, caplog):
    session.admitted(Admitted(stored=1, lost=[(CAM, 49)]))
    assert session.voices.register.counters["messages_declared_lost_total"] == 49
    assert "event=declared-lost device=cam-01 messages=49" in caplog.text


def test_a_device_is_away_from_its_last_will_until_its_next_status(clock: SteppedClock):
    nobody = cast("Any", None)
    fleet = Fleet(nobody, Path(), clock, nobody, nobody, {}, lambda: None)
    session = Session("", "", fleet, nobody, Seen(), Voices(clock), lambda _: None)
    for state in ("online", "offline", "online"):
        session.status(said(state))
        clock.skip(90)
    assert fleet.absences.take(clock.site()) == [DayCount(CAM, offline_ms=90_000)]


def test_a_status_that_comes_back_is_answered_and_no_news(clock: SteppedClock) -> None:
    """Its device may have left since."""
    nobody = cast("Any", None)
    fleet = Fleet(nobody, Path(), clock, nobody, nobody, {}, lambda: None)
    session = Session("", "", fleet, nobody, Seen(), Voices(clock), lambda _: None)
    session.status(said("online"))
    session.status(said("offline"))
    session.status(replace(said("online"), answer=True))
    assert standing(session) == {("device-silent", CAM)}


def said(state: str) -> StatusReport:
    """What a device, or its last will, says of itself."""
    arrived, _ = desk_status(epoch=7, state=state)
    assert isinstance(arrived, StatusReport)
    return replace(arrived, answer=False)
