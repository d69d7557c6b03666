"""What is done stands in the audit log, in one transaction with the deed."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app.audited import ENTRIES_A_PAGE_MAX, AuditLog
from gateway.app.clock import SystemClock
from gateway.app.control import SOCKET_NAME, Routes, serving
from gateway.app.deeds import add_device, note_contracts, note_lost_queues
from gateway.app.offline import STATE_MIGRATIONS
from gateway.app.trusted_clock import TrustedClock
from gateway.app.voices import Voices
from gateway.fleet.folder import Catalogue, read_profiles
from gateway.health.audit import audit, entries
from gateway.health.limits import AuditLimits
from gateway.identity.inventory import Addition, Device
from gateway.model.access import Access
from gateway.model.audit import OPERATOR, Action
from gateway.model.contract import ContractInForce
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime, UnixMs
from gateway.store import lives
from gateway.store.sqlite import Engine, open_offline
from tests.simulators.clock import SteppedClock

SHIPPED = Path(__file__).parents[2] / "firmware-profiles"
NOTHING: Any = None


def device(name: str = "cam-01") -> Device:
    return Device(
        id=DeviceId(name),
        profile="virtual-camera",
        access=Access.ADMITTED,
        serial=f"0a-{name}",
        fingerprint=f"f-{name}",
        not_after=UnixMs(9),
        added=UnixMs(1),
    )


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with open_offline(tmp_path / "state.db", STATE_MIGRATIONS) as opened:
        yield opened


def rows(db: sqlite3.Connection) -> list[Any]:
    return db.execute("SELECT actor, action, subject, detail FROM audit ORDER BY id").fetchall()


def catalogue() -> Catalogue:
    found = read_profiles(SHIPPED)
    assert isinstance(found, dict)
    return found


def test_a_device_that_is_added_stands_in_the_log_once(db: sqlite3.Connection):
    assert add_device(db, device(), 5, SiteTime(7)) is Addition.ADDED
    assert add_device(db, device(), 5, SiteTime(8)) is Addition.EXISTS
    assert rows(db) == [
        (
            *("operator", "device-added", "cam-01"),
            '{"profile":"virtual-camera","access":"admitted","serial":"0a-cam-01"}',
        )
    ]


def test_a_contract_is_noted_when_it_is_not_the_one_of_before(db: sqlite3.Connection):
    now = catalogue()
    assert note_contracts(db, now, SiteTime(1)) == len(now)
    assert note_contracts(db, now, SiteTime(2)) == 0
    profile, contract = now["virtual-camera"]
    now["virtual-camera"] = profile, ContractInForce(contract.contract, "f" * 64)
    assert note_contracts(db, now, SiteTime(3)) == 1
    actor, action, subject, detail = rows(db)[-1]
    assert (actor, action, subject) == ("gateway", "contract-in-force", "virtual-camera")
    assert "f" * 64 in detail
    assert "pictures:yes" in detail


def test_a_queue_that_was_set_aside_or_lost_stands_in_the_log_once(db: sqlite3.Connection):
    lives.end(db, 1, SiteTime(5), "spool.db.aside-1")
    lives.say_loss(db, 1, "12 messages are lost")
    lives.end(db, 2, SiteTime(6))
    lives.begin(db, 3, SiteTime(7))
    for _ in range(2):
        note_lost_queues(db, SiteTime(8))
    assert rows(db) == [
        (
            *("gateway", "queue-set-aside", "spool.db.aside-1"),
            '{"generation":1,"loss":"12 messages are lost"}',
        ),
        ("gateway", "queue-set-aside", "spool.db 2", '{"generation":2,"loss":""}'),
    ]


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Engine]:
    async with Engine(tmp_path / "state.db", STATE_MIGRATIONS) as engine:
        yield engine


@pytest.fixture
async def client(tmp_path: Path, state: Engine) -> AsyncIterator[aiohttp.ClientSession]:
    clock = SteppedClock()
    log = AuditLog(state, clock, AuditLimits(), Voices(clock), {})
    routes = Routes(NOTHING, NOTHING, state.reader, log.routes())
    connector = aiohttp.UnixConnector(str(tmp_path / SOCKET_NAME))
    async with (
        serving(routes, tmp_path),
        aiohttp.ClientSession("http://localhost", connector=connector) as session,
    ):
        yield session


async def test_the_log_is_shown_page_by_page(client: aiohttp.ClientSession, state: Engine):
    def many(db: sqlite3.Connection) -> None:
        for number in range(ENTRIES_A_PAGE_MAX + 2):
            audit(db, SiteTime(number), OPERATOR, Action.KEYS_ROTATED, f"key-{number}")

    await state.write(many)
    async with client.get("/v1/audit") as answer:
        first = await answer.json()
    assert (len(first["entries"]), first["next"]) == (ENTRIES_A_PAGE_MAX, ENTRIES_A_PAGE_MAX)
    async with client.get("/v1/audit", params={"after": first["next"]}) as answer:
        rest = await answer.json()
    assert [one["subject"] for one in rest["entries"]] == ["key-1000", "key-1001"]
    assert rest["next"] is None
    assert rest["entries"][0] == {
        "number": 1_001,
        "at": 1_000,
        "actor": "operator",
        "action": "keys-rotated",
        "subject": "key-1000",
        "detail": {},
    }
    async with client.get("/v1/audit", params={"action": "retention"}) as answer:
        assert await answer.json() == {"entries": [], "next": None}
    async with client.get("/v1/audit", params={"after": "x"}) as answer:
        assert answer.status == 422


async def test_a_clock_that_an_operator_confirms_stands_in_the_log(state: Engine):
    clock = SystemClock(SiteTime(0))
    trusted = TrustedClock(clock, state, Voices(clock))
    assert (await trusted.confirm(NOTHING)).status == 200
    async with state.reader() as db:
        (found,) = await entries(db, after=0, most=9)
    assert (found.actor, found.action, found.subject) == (
        *("operator", "clock-confirmed", "wall clock"),
    )
