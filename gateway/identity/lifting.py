"""What a restore may never lower: floors, ids that were issued, and what was forbidden.

A backup is older than what it replaces. Where the old ``state.db`` can still be read, what it
forbids is carried over: a device stays known with its serial number, the stricter of two
access states holds, and each floor keeps its highest value. Budgets of privacy are floors by
name and come with them.
"""

import sqlite3

from gateway.identity import keystore, store
from gateway.identity.inventory import Device, stricter


def lift(db: sqlite3.Connection, old: sqlite3.Connection) -> list[str]:
    """Raise what ``db`` holds to what ``old`` held, in the caller's transaction.

    Returns a sentence for each thing that was raised.
    """
    said: list[str] = []
    floors = keystore.floors(db)
    for name, value in sorted(keystore.floors(old).items()):
        if value > floors.get(name, 0):
            keystore.raise_floor(db, name, value)
            said.append(f"floor {name} raised to {value}")
    known = {device.id: device for device in store.devices(db)}
    for device in store.devices(old):
        said += _carried(db, known.get(device.id), device)
    # A number that named a key once never names another.
    keystore.raise_number(db, keystore.next_number(old) - 1)
    return said


def _carried(db: sqlite3.Connection, known: Device | None, device: Device) -> list[str]:
    if known is None:
        store.put(db, device)
        return [f"device {device.id}: was added after the backup, and is {device.access.value}"]
    said: list[str] = []
    if device.serial != known.serial:
        store.put(db, device)
        said.append(f"device {device.id}: has a newer certificate, {device.serial}")
    access = stricter(known.access, device.access)
    if access is not known.access:
        said.append(f"device {device.id}: stays {access.value}")
    store.restrict(db, device.id, access)
    return said
