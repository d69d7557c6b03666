"""A restore never lowers what the old state forbids."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.app.offline import STATE_MIGRATIONS
from gateway.identity import keystore, store
from gateway.identity.inventory import Addition, Device, stricter
from gateway.identity.keyring import StoredKey
from gateway.identity.lifting import lift
from gateway.model.access import Access
from gateway.model.identity import DeviceId
from gateway.model.time import SiteTime, UnixMs
from gateway.store.sqlite import open_offline

CAM = Device(DeviceId("cam-01"), "camera", Access.ADMITTED, "a1", "f1", UnixMs(9), UnixMs(1))
Pair = tuple[sqlite3.Connection, sqlite3.Connection]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """The restored state and the old one; cam-01 stands in both."""
    with ExitStack() as stack:
        enter = stack.enter_context
        restored, old = (
            enter(open_offline(tmp_path / name, STATE_MIGRATIONS)) for name in ("new", "old")
        )
        for db in (restored, old):
            store.put(db, CAM)
        yield restored, old


def test_a_floor_keeps_its_highest_value_whoever_had_it(pair: Pair):
    restored, old = pair
    for name, mine, theirs in (("a", 3, 5), ("b", 9, 2)):
        keystore.raise_floor(restored, name, mine)
        keystore.raise_floor(old, name, theirs)
    keystore.raise_floor(old, "budget-day:plant-a:2026-11-20", 1)
    said = lift(restored, old)
    assert keystore.floors(restored) == {"a": 5, "b": 9, "budget-day:plant-a:2026-11-20": 1}
    assert said == ["floor a raised to 5", "floor budget-day:plant-a:2026-11-20 raised to 1"]


@pytest.mark.parametrize("access", [Access.QUARANTINED, Access.REVOKED])
def test_a_device_that_was_cut_off_after_the_backup_stays_cut_off(pair: Pair, access: Access):
    restored, old = pair
    store.put(old, replace(CAM, access=access))
    assert lift(restored, old) == [f"device cam-01: stays {access.value}"]
    assert store.devices(restored)[0].access is access


def test_a_device_that_was_freed_after_the_backup_stays_as_strict_as_the_backup_knew(pair: Pair):
    restored, old = pair
    store.put(restored, replace(CAM, access=Access.REVOKED))
    assert lift(restored, old) == []
    assert store.devices(restored)[0].access is Access.REVOKED


def test_an_id_that_was_issued_after_the_backup_stays_issued(pair: Pair):
    restored, old = pair
    new = replace(CAM, id=DeviceId("cam-02"), serial="b2", fingerprint="f2")
    store.put(old, new)
    assert lift(restored, old) == ["device cam-02: was added after the backup, and is admitted"]
    assert store.devices(restored) == (CAM, new)
    assert store.add(restored, replace(new, serial="c3", fingerprint="f3"), 10) is Addition.EXISTS


def test_a_newer_certificate_holds_with_the_stricter_access(pair: Pair):
    restored, old = pair
    store.put(restored, replace(CAM, access=Access.QUARANTINED))
    store.put(old, replace(CAM, serial="b2", fingerprint="f2"))
    assert lift(restored, old) == ["device cam-01: has a newer certificate, b2"]
    (found,) = store.devices(restored)
    assert (found.serial, found.access) == ("b2", Access.QUARANTINED)


def test_a_number_that_named_a_data_key_never_names_another(pair: Pair):
    restored, old = pair
    keystore.keep(restored, [StoredKey(1, SiteTime(1), "k", b"w", b"r")])
    keystore.keep(old, [StoredKey(41, SiteTime(1), "k", b"w", b"r")])
    lift(restored, old)
    assert keystore.next_number(restored) == 42


def test_a_number_is_kept_also_where_the_backup_had_no_key(pair: Pair):
    restored, old = pair
    keystore.keep(old, [StoredKey(41, SiteTime(1), "k", b"w", b"r")])
    lift(restored, old)
    assert keystore.next_number(restored) == 42


def test_of_two_access_states_the_stricter_is_told():
    order = [Access.ADMITTED, Access.PROVISIONAL, Access.QUARANTINED, Access.REVOKED]
    assert set(order) == set(Access)
    for weak, strong in itertools.pairwise(order):
        assert stricter(weak, strong) is stricter(strong, weak) is strong


def test_no_device_is_added_until_the_restore_is_confirmed(pair: Pair):
    restored, _ = pair
    new = replace(CAM, id=DeviceId("cam-02"), serial="b2", fingerprint="f2")
    keystore.note_restore(restored)
    assert keystore.unconfirmed(restored)
    assert store.add(restored, new, 10) is Addition.RESTORED
    keystore.confirm(restored)
    assert store.add(restored, new, 10) is Addition.ADDED
    keystore.note_restore(restored)  # another restore asks again
    assert keystore.unconfirmed(restored)
