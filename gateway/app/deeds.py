"""Deeds whose entry in the audit log is one transaction with them."""

import sqlite3

from gateway.fleet.explain import summary
from gateway.fleet.folder import Catalogue
from gateway.health.audit import audit, newest
from gateway.identity import store as inventory
from gateway.identity.inventory import Addition, Device
from gateway.model.audit import GATEWAY, OPERATOR, Action
from gateway.model.time import SiteTime
from gateway.store import lives


def add_device(db: sqlite3.Connection, device: Device, devices_max: int, at: SiteTime) -> Addition:
    """Add ``device`` to the inventory and say so in the audit log."""
    addition = inventory.add(db, device, devices_max)
    if addition is Addition.ADDED:
        detail = {"profile": device.profile, "access": device.access.value, "serial": device.serial}
        audit(db, at, OPERATOR, Action.DEVICE_ADDED, device.id, detail)
    return addition


def note_lost_queues(db: sqlite3.Connection, at: SiteTime) -> None:
    """Record each queue that was set aside or found gone since it was last looked."""
    known = newest(db, Action.QUEUE_SET_ASIDE)
    for life in lives.over(db):
        subject = life.set_aside or f"spool.db {life.generation}"
        if subject not in known:
            detail: dict[str, int | str] = {"generation": life.generation, "loss": life.loss}
            audit(db, at, GATEWAY, Action.QUEUE_SET_ASIDE, subject, detail)


def note_contracts(db: sqlite3.Connection, catalogue: Catalogue, at: SiteTime) -> int:
    """Record each contract that is not the one of before; return how many."""
    known = newest(db, Action.CONTRACT_IN_FORCE)
    changed = 0
    for name, (_, contract) in sorted(catalogue.items()):
        before = known.get(name)
        if before is None or before.detail.get("sha256") != contract.sha256:
            detail = {"sha256": contract.sha256, "declares": summary(contract.contract)}
            audit(db, at, GATEWAY, Action.CONTRACT_IN_FORCE, name, detail)
            changed += 1
    return changed
