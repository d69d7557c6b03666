"""A device that floods is cut off, told why, let in again, and the others never notice."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.app.device import Fleet
from gateway.app.noise import CALM_S, Warden, watching
from gateway.app.offline import STATE_MIGRATIONS
from gateway.app.voices import Voices
from gateway.identity.inventory import Device
from gateway.intake.limits import IntakeLimits
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from gateway.model.time import UnixMs
from gateway.store.sqlite import Engine
from tests.simulators.clock import SteppedClock

LOUD, QUIET = DeviceId("press-07"), DeviceId("cam-01")
LIMITS = IntakeLimits(window=5, noisy_after_s=3, noisy_first_s=60, noisy_most_s=600)
DATA, STATUS = f"line/{LOUD}/up/data", f"line/{LOUD}/up/status"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Engine]:
    async with Engine(tmp_path / "state.db", STATE_MIGRATIONS) as engine:
        yield engine


def fleet_of(state: Engine, clock: SteppedClock) -> Fleet:
    nobody = cast("Any", None)
    fleet = Fleet(nobody, Path(), clock, state, nobody, {}, lambda: None)
    for name in (LOUD, QUIET):
        fleet.devices[name] = Device(name, "p", Access.ADMITTED, "00", "ff", UnixMs(0), UnixMs(0))
    return fleet


@pytest.fixture
async def warden(state: Engine, clock: SteppedClock) -> Warden:
    return await watching(fleet_of(state, clock), Voices(clock), LIMITS)


async def flood(warden: Warden, clock: SteppedClock, seconds: int, topic: str = DATA) -> None:
    """Send 1,000 messages in each second, which nobody takes."""
    for _ in range(seconds):
        for _ in range(1_000):
            warden.enter(topic, 100, 0)
        await clock.step(1)
        await warden.turn()


def codes(warden: Warden) -> set[tuple[str, str]]:
    return set(warden.voices.register.problems)


async def audited(state: Engine) -> list[tuple[str, str]]:
    async with state.reader() as db:
        rows = await db.execute_fetchall("SELECT action, subject FROM audit ORDER BY id")
        return [(row[0], row[1]) for row in rows]


async def test_a_flood_is_cut_off_after_its_time_and_not_before(warden: Warden, clock, state):
    await flood(warden, clock, 2)
    assert warden.fleet.access()[LOUD] is Access.ADMITTED
    await flood(warden, clock, 1)
    assert warden.fleet.access() == {LOUD: Access.QUARANTINED, QUIET: Access.ADMITTED}
    assert warden.fleet.contract_of(LOUD) is None
    assert warden.fleet.behind, "the broker learns of it when there is a connection"
    assert codes(warden) == {("device-noisy", LOUD)}
    assert await audited(state) == [("device-quarantined", LOUD)]


async def test_the_others_enter_all_the_while(warden: Warden, clock):
    for _ in range(5):
        await flood(warden, clock, 1)
        assert warden.enter(f"line/{QUIET}/up/alert", 100, 1)
        warden.leave(f"line/{QUIET}/up/alert")


async def test_what_a_cut_off_device_still_sends_does_not_enter(warden: Warden, clock):
    await flood(warden, clock, 3)
    assert not warden.enter(DATA, 1, 1)
    assert not warden.enter(STATUS, 1, 1)


async def test_a_device_is_let_in_again_by_itself_and_the_next_time_takes_longer(
    warden: Warden, clock, state
):
    await flood(warden, clock, 3)
    await clock.step(60)
    await warden.turn()
    assert warden.fleet.access()[LOUD] is Access.ADMITTED
    assert ("device-noisy", LOUD) not in codes(warden)
    for _ in range(1_000):
        warden.leave(DATA)
    await flood(warden, clock, 3)
    await clock.step(60)
    await warden.turn()
    assert warden.fleet.access()[LOUD] is Access.QUARANTINED
    await clock.step(60)
    await warden.turn()
    assert warden.fleet.access()[LOUD] is Access.ADMITTED
    cut, free = ("device-quarantined", LOUD), ("device-released", LOUD)
    assert await audited(state) == [cut, free, cut, free]


async def test_a_device_that_floods_its_status_loses_its_role_whole(warden: Warden, clock):
    await flood(warden, clock, 3)
    await flood(warden, clock, 3, STATUS)
    assert warden.fleet.access()[LOUD] is Access.REVOKED
    await clock.step(60)
    await warden.turn()
    assert warden.fleet.access()[LOUD] is Access.ADMITTED


async def test_a_restart_of_the_gateway_releases_nobody_early(warden: Warden, clock, state):
    await flood(warden, clock, 3)
    again = await watching(fleet_of(state, clock), Voices(clock), LIMITS)
    assert again.fleet.access()[LOUD] is Access.QUARANTINED
    assert codes(again) == {("device-noisy", LOUD)}
    await clock.step(60)
    await again.turn()
    assert again.fleet.access()[LOUD] is Access.ADMITTED
    last = await watching(fleet_of(state, clock), Voices(clock), LIMITS)
    assert last.standing[LOUD].times == 1, "how often it happened is not forgotten"


async def test_a_day_of_peace_is_forgotten_on_the_disk_too(warden: Warden, clock, state):
    await flood(warden, clock, 3)
    for _ in range(2):
        await clock.step(86_460)
        await warden.turn()
    assert warden.standing == {}
    again = await watching(fleet_of(state, clock), Voices(clock), LIMITS)
    assert again.standing == {}


async def test_a_cut_never_gives_a_device_more_than_the_inventory_does(warden: Warden, clock):
    fleet = warden.fleet
    fleet.devices[LOUD] = Device(LOUD, "p", Access.REVOKED, "00", "ff", UnixMs(0), UnixMs(0))
    await flood(warden, clock, 3)
    assert fleet.access()[LOUD] is Access.REVOKED


async def test_who_is_over_its_share_but_not_wild_is_named_and_keeps_its_role(
    warden: Warden, clock
):
    """It keeps to its window: what is refused it sends again, and nothing is lost."""
    for _ in range(2 * LIMITS.window):
        warden.enter(DATA, 1, 1)
    for _ in range(4):
        for _ in range(LIMITS.window):
            assert not warden.enter(DATA, 1, 1)
        await clock.step(1)
        await warden.turn()
    assert codes(warden) == {("device-over-share", LOUD)}
    assert warden.fleet.access()[LOUD] is Access.ADMITTED
    await clock.step(CALM_S)
    await warden.turn()
    assert codes(warden) == set()


async def test_a_flood_does_not_fill_the_log(warden: Warden, clock, caplog):
    await flood(warden, clock, 59)
    assert 0 < caplog.text.count("event=over-share") <= 60
    for _ in range(300):
        await flood(warden, clock, 1)
    assert caplog.text.count("event=over-share") <= 240


async def test_messages_of_qos_0_and_refused_ones_are_counted(warden: Warden, clock):
    await flood(warden, clock, 1)
    counters = warden.voices.register.counters
    assert counters["messages_qos0_total"] == 1_000
    assert counters["messages_over_share_total"] == 1_000 - 2 * LIMITS.window


async def test_what_the_gateway_says_to_itself_is_nobodys_traffic(warden: Warden):
    for _ in range(1_000):
        assert warden.enter(f"gateway/{LOUD}/status", 1, 1)
    assert warden.shares.turn().traffic == {}
