"""The queue's file before it is opened: is it whole, is it all there, and if not, what then.

A damaged queue must not keep a site from serving. It is set aside under its generation's
name, what can be read is taken over into a fresh file, and what is lost is written into
``state.db`` for the status page. ``state.db`` itself is never treated so: without it
nobody knows whom to trust.

Crash: every step may be cut. The intent is stored in ``state.db`` before anything is moved,
and the next start goes on with it; the fresh file gets its name last.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.health.audit import audit
from gateway.intake import mending as marks
from gateway.model.audit import GATEWAY, Action
from gateway.model.errors import OperatorFaultError
from gateway.model.time import SiteTime
from gateway.spool import mending
from gateway.store import lives, pages, salvage, tide
from gateway.store.salvage import Part, Salvaged
from gateway.store.sqlite import DamagedError, open_offline, told, transaction
from gateway.store.tide import Tide
from gateway.store.watched import is_damage

LOG = logging.getLogger(__name__)

ASIDE_KEPT: Final = 2
LIVES_KEPT: Final = 100
HOUR_MS: Final = 3_600_000
AN_HOUR_MAX: Final = 10
"""Files that are set aside within an hour before the disk is given up."""
SPOOL_NAME: Final = "spool.db"
# What gives receipts their meaning first, then what leaves first, should the disk get full.
_PARTS: Final = (
    *(Part(name) for name in ("origin", "contract", "tally", "dropped", "device_day", "inflow")),
    *(Part("batch"), Part("seen")),
    *(Part("message", "class", frozenset({"alert"})), Part("alert"), Part("picture")),
    Part("message", "class", frozenset({"error-log", "result"})),
    Part("message", "class", frozenset({"metric", "log"})),
    *(Part("ended"), Part("dead_letter")),
)
# Written anew, counted anew, or SQLite's own.
_NOT_COPIED: Final = frozenset({"life", "depth", "schema_reader", "sqlite_sequence"})


class QueueDamagedError(Exception):
    """The queue's file is damaged and condemned; opening the site again sets it aside."""

    def __init__(self, generation: int) -> None:
        super().__init__(f"life {generation} of the queue's file")


@dataclass(frozen=True, slots=True)
class Ready:
    """A file that may be opened."""

    generation: int
    checked: bool
    """It was closed in order, or has just been written; else its pages should be looked at."""


def prepare(path: Path, state: sqlite3.Connection, now: SiteTime) -> Ready:
    """Make the queue's file ``path`` ready to be opened, whatever has happened to it.

    Raises:
        OperatorFaultError: the disk refuses, or the file is of a newer release.
    """
    last = lives.latest(state)
    try:
        if last is not None and last.ended is not None:
            return _resumed(path, state, last, now)
        if not path.exists() or not path.stat().st_size:
            return _made(path, state, last, now)
        with told(path):
            return _found(path, state, last, now)
    except OSError as error:
        msg = f"{path} cannot be made ready: {error.strerror}: check its disk and its rights"
        raise OperatorFaultError(msg) from error
    finally:
        lives.forget(state, LIVES_KEPT)


def condemn(state: sqlite3.Connection, generation: int, now: SiteTime) -> None:
    """Note that the file now in use is damaged; the next ``prepare`` sets it aside."""
    lives.end(state, generation, now, f"{SPOOL_NAME}.aside-{generation}")


def _resumed(path: Path, state: sqlite3.Connection, last: lives.Life, now: SiteTime) -> Ready:
    """Go on where a start was cut, or with what the last process found damaged."""
    if not path.exists() and not last.set_aside:
        return _empty(path, state, last.generation + 1, now)
    generation = None
    # Damaged or gone: the answer is the same.
    with contextlib.suppress(DamagedError), told(path):
        if path.exists():
            with open_offline(path, SPOOL_MIGRATIONS) as db:
                generation = lives.of_file(db)
    if generation is not None and generation > last.generation:
        lives.begin(state, generation, now)  # it had its name already
        return Ready(generation, checked=True)
    return _replaced(path, state, last.generation, "it was found damaged", now)


def _made(path: Path, state: sqlite3.Connection, last: lives.Life | None, now: SiteTime) -> Ready:
    """Begin a queue where there is none; say what was lost if there should be one."""
    generation = 1
    if last is not None:
        generation = last.generation + 1
        note = tide.read(path)
        waited = f"{note.waiting} messages that waited in it are" if note else "all in it is"
        loss = f"{path.name} was gone: {waited} lost"
        LOG.error("event=queue-gone %s", loss)
        _tell(state, last.generation, SPOOL_NAME, loss, now)
        _aside(path, last.generation)  # its log, if that was left
        lives.end(state, last.generation, now)
    return _empty(path, state, generation, now)


def _empty(path: Path, state: sqlite3.Connection, generation: int, now: SiteTime) -> Ready:
    with open_offline(path, SPOOL_MIGRATIONS) as db, transaction(db):
        lives.name(db, generation)
    lives.begin(state, generation, now)
    return Ready(generation, checked=True)


def _found(path: Path, state: sqlite3.Connection, last: lives.Life | None, now: SiteTime) -> Ready:
    """Open the file that is there, and compare it with what is known of it."""
    note = tide.read(path)
    try:
        with open_offline(path, SPOOL_MIGRATIONS) as db:
            page_bytes = pages.size_bytes(db)
        # Closed, so the log is in it: now its length must be right.
        if path.stat().st_size % page_bytes:
            return _replaced(path, state, _life_of(last, note), "its last page is torn", now)
        with open_offline(path, SPOOL_MIGRATIONS) as db:
            return _compared(db, state, last, note, now)
    except (DamagedError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.Error) and not is_damage(error):
            raise
        return _replaced(path, state, _life_of(last, note), str(error.__cause__ or error), now)


def _life_of(last: lives.Life | None, note: Tide | None) -> int:
    return last.generation if last else note.generation if note else 1


def _compared(
    db: sqlite3.Connection,
    state: sqlite3.Connection,
    last: lives.Life | None,
    note: Tide | None,
    now: SiteTime,
) -> Ready:
    found = lives.of_file(db)
    if last is not None and found is not None and found != last.generation:
        loss = f"the file is of life {found}, and life {last.generation} was expected"
        return _begun_anew(db, state, max(last.generation, found), loss, now)
    known = last.generation if last is not None else found or 1
    if note is not None and note.generation == known and note.missing(tide.issued(db)):
        return _renewed(db, state, note, now)
    if found is None:  # of the first schema, or made by a command
        with transaction(db):
            lives.name(db, known)
    lives.begin(state, known, now)
    return Ready(known, checked=note is not None and note.clean)


def _renewed(db: sqlite3.Connection, state: sqlite3.Connection, note: Tide, now: SiteTime) -> Ready:
    """Go on with a file that lacks its end, and never give its row numbers out again."""
    missing = note.missing(tide.issued(db))
    rows = ", ".join(f"{count} of {table}" for table, count in missing.items())
    loss = (
        "the file lacks its last commits, which had been synced (its log was cut short): "
        f"{missing.get('message', 0)} receipted messages are lost; missing rows: {rows}"
    )
    with transaction(db):
        tide.raise_issued(db, note.issued)
    return _begun_anew(db, state, note.generation, loss, now)


def _begun_anew(
    db: sqlite3.Connection, state: sqlite3.Connection, known: int, loss: str, now: SiteTime
) -> Ready:
    """Serve the file as a new life: its row numbers may have meant something else."""
    LOG.error("event=queue-damaged %s", loss)
    lives.begin(state, known, now)
    _tell(state, known, SPOOL_NAME, loss, now)
    with transaction(db):
        lives.name(db, known + 1)
    lives.end(state, known, now)
    lives.begin(state, known + 1, now)
    return Ready(known + 1, checked=False)


def _replaced(
    path: Path, state: sqlite3.Connection, generation: int, why: str, now: SiteTime
) -> Ready:
    """Set the file aside and take over what can be read of it."""
    aside = path.with_name(f"{path.name}.aside-{generation}")
    if len(lives.ended_after(state, SiteTime(now - HOUR_MS))) >= AN_HOUR_MAX:
        msg = (
            f"{path} was damaged {AN_HOUR_MAX} times within an hour: the disk is failing: "
            "replace it, and start the gateway again"
        )
        raise OperatorFaultError(msg)
    condemn(state, generation, now)
    LOG.error("event=queue-set-aside %s is damaged (%s) and becomes %s", path, why, aside.name)
    _aside(path, generation)
    _forget_older(path, generation)
    fresh = path.with_name(f"{path.name}.new")
    loss = _salvaged(aside, fresh, generation + 1, tide.read(path), now)
    loss = f"{aside.name} was damaged ({why}): {loss}"
    LOG.error("event=queue-damaged %s", loss)
    _tell(state, generation, aside.name, loss, now)
    fresh.replace(path)
    _sync(path.parent)
    lives.begin(state, generation + 1, now)
    return Ready(generation + 1, checked=True)


def _tell(
    state: sqlite3.Connection, generation: int, subject: str, loss: str, now: SiteTime
) -> None:
    """Write down what was lost with a life: for the page, and for whoever asks years later."""
    with transaction(state):
        lives.say_loss(state, generation, loss)
        audit(state, now, GATEWAY, Action.QUEUE_SET_ASIDE, subject, {"loss": loss})


def _aside(path: Path, generation: int) -> None:
    """Move the file and its log away. Twice is as good as once."""
    aside = path.with_name(f"{path.name}.aside-{generation}")
    for ending in ("", "-wal"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.replace(aside.with_name(aside.name + ending))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)  # an index; SQLite builds it anew
    _sync(path.parent)


def forget(path: Path, generations: Collection[int]) -> None:
    """Delete what was set aside, but for the lives of ``generations``: it outlives retention."""
    for old in path.parent.glob(f"{path.name}.aside-*"):
        number = old.name.rpartition(".aside-")[2].partition("-")[0]
        if number.isdecimal() and int(number) not in generations:
            old.unlink(missing_ok=True)
            LOG.info("event=aside-deleted %s", old.name)


def _forget_older(path: Path, generation: int) -> None:
    """Keep the newest files that were set aside."""
    for old in path.parent.glob(f"{path.name}.aside-*"):
        number = old.name.rpartition(".aside-")[2].partition("-")[0]
        if number.isdecimal() and int(number) <= generation - ASIDE_KEPT:
            old.unlink()


def _salvaged(aside: Path, fresh: Path, generation: int, note: Tide | None, now: SiteTime) -> str:
    """Write what can be read of ``aside`` into the file ``fresh``; say what is lost."""
    with salvage.fresh(fresh, SPOOL_MIGRATIONS) as target:
        if aside.exists():
            with salvage.readable(aside, fresh) as source:
                said = _taken_over(source, target, note, now)
        else:
            said = "nothing of it was found"
        with transaction(target):
            lives.name(target, generation)
            if note is not None:
                tide.raise_issued(target, note.issued)
    return said


def _taken_over(
    source: sqlite3.Connection | None, target: sqlite3.Connection, note: Tide | None, now: SiteTime
) -> str:
    if source is None:
        what = f"{note.waiting} messages that waited are" if note else "what waited is"
        return f"nothing could be read, {what} lost"
    named = {part.table for part in _PARTS}
    others = [
        Part(name)
        for name in salvage.tables(target)
        if name not in named and name not in _NOT_COPIED
    ]
    found = salvage.copy(source, target, [*_PARTS, *others])
    try:
        waited = mending.depths(source)
    except sqlite3.DatabaseError:
        waited = {}
    with transaction(target):
        unsealed = mending.join(target)
        broken = marks.mend(target, now)
        if not waited and note is not None:
            waited = {"data": note.waiting - sum(mending.depths(target).values())}
        lost = mending.count_lost(target, waited, now)
        kept = sum(mending.depths(target).values())
    return _words(found, kept, lost, unsealed, broken)


def _words(found: Salvaged, kept: int, lost: dict[str, int], unsealed: int, broken: int) -> str:
    """Say what a salvage brought, in one sentence a fact."""
    said = [f"{kept} waiting messages were taken over"]
    said.append(
        "lost: " + ", ".join(f"{rows} of class {name}" for name, rows in sorted(lost.items()))
        if lost
        else "none of them is lost"
    )
    if unsealed:
        said.append(f"{unsealed} messages lost their sealed batch and leave in a new one")
    if broken:
        said.append(f"{broken} device epochs lost marks; those devices number anew")
    if found.zones:
        zones = ", ".join(f"{count} in {table}" for table, count in sorted(found.zones.items()))
        said.append(f"unreadable places: {zones}")
    if found.full:
        said.append("the disk was full before all was taken over")
    return "; ".join(said)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
