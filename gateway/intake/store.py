"""Receipt marks, digests and dead letters: the SQL of the intake, in ``spool.db``.

``admit`` is one transaction: the marks move in the same commit that stores the rows, so a
receipt can never run ahead of them (promise P1). Storing rows and recording ends belongs
to the spool; ``app/`` hands its functions over.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiosqlite
import msgspec

from gateway.intake import deadletters
from gateway.intake.admitted import Admitted, Arrival, kept_of
from gateway.intake.deadletters import Bounds, Letter, bound
from gateway.intake.receipt import (
    DIGESTS_KEPT,
    EPOCHS_CLOSED_KEPT,
    EPOCHS_OPEN_MAX,
    Admission,
    Marks,
)
from gateway.intake.unsequenced import stamp
from gateway.intake.wire import (
    Numbered,
    Reason,
    Refusal,
    StatusReport,
    Telemetry,
    Unsequenced,
)
from gateway.model.cipher import Cipher
from gateway.model.gaps import DayCount
from gateway.model.identity import DeviceId
from gateway.model.message import REFUSALS_A_RECEIPT_MAX, Key, Message, Receipt
from gateway.model.outcome import MessageClass, Stream
from gateway.model.room import Room
from gateway.model.time import SiteTime

ANY_CONFLICT: Final = (Stream.DATA.value, 1, Reason.CONFLICT.value)
"""Says conflict of an epoch when no message of it has just been refused."""


NO_ROOM: Final = "no-room"
"""Why a message of a topic map was turned away; counters carry it."""


class Spool(Protocol):
    """The spool's side of the transaction, on the caller's connection."""

    @property
    def cipher(self) -> Cipher: ...
    def enqueue(
        self, db: sqlite3.Connection, messages: Sequence[Message], now: SiteTime
    ) -> None: ...
    def bury(
        self, db: sqlite3.Connection, letters: Sequence[tuple[Key, str]], now: SiteTime
    ) -> None: ...
    def turn_away(
        self, db: sqlite3.Connection, messages: Sequence[Message], cause: str
    ) -> None: ...
    def room(self, db: sqlite3.Connection) -> Room: ...
    def tally(self, db: sqlite3.Connection, counts: Sequence[DayCount], now: SiteTime) -> None: ...


@dataclass(slots=True)
class _Origin:
    """One epoch of one device, loaded for one transaction."""

    number: int
    state: str
    marks: dict[Stream, Marks]
    received: int = 0
    duplicates: int = 0
    refused: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])

    def close(self) -> None:
        """Close the epoch: what it stored stays stored, but its digests mean nothing more."""
        self.state = "closed"
        for marks in self.marks.values():
            marks.stored.clear()


def admit(
    db: sqlite3.Connection,
    batch: Sequence[tuple[Arrival, bytes]],
    *,
    now: SiteTime,
    spool: Spool,
    bounds: Bounds,
) -> Admitted:
    """Store what is new of ``batch``, (arrival, payload) in order of arrival; answer each device.

    Crash: before the commit nothing of the batch exists and the devices resend it; after
    it the resend is a duplicate and is answered with the same marks.
    """
    room = spool.room(db)
    work = _Work(db, now, bounds, spool.cipher, room)
    for arrival, payload in batch:
        match arrival:
            case StatusReport():
                work.answer(arrival)
            case Telemetry(place, message):
                work.offer(place, message, None, payload)
            case Unsequenced(message):
                work.number(message, payload)
            case Refusal(place=Numbered() as place):
                work.offer(place, None, arrival, payload)
            case Refusal():
                work.refuse(arrival, payload)
    work.messages += stamp(db, work.unnumbered, now)
    spool.enqueue(db, work.messages, now)
    spool.turn_away(db, work.turned_away, NO_ROOM)
    spool.bury(db, work.buried, now)
    spool.tally(db, work.counts(), now)
    return work.finish(crowded=room.pause)


class _Work:
    """The state of one transaction. It lives on the writer thread and ends with the commit."""

    def __init__(
        self,
        db: sqlite3.Connection,
        now: SiteTime,
        bounds: Bounds,
        cipher: Cipher,
        room: Room,
    ) -> None:
        self._db = db
        self._room = room
        self._now = now
        self._bounds = bounds
        self._cipher = cipher
        self._origins: dict[tuple[DeviceId, int], _Origin] = {}
        self._asked: dict[tuple[DeviceId, int], Receipt] = {}
        self._result = Admitted()
        self.messages: list[Message] = []
        self.unnumbered: list[Message] = []
        self.turned_away: list[Message] = []
        self.buried: list[tuple[Key, str]] = []

    def answer(self, report: StatusReport) -> None:
        """Answer a fresh status with the marks of the epoch that it names."""
        if report.retained or not report.answer or report.status.state != "online":
            return
        last = report.status.last
        where = (report.device, last.epoch)
        if where in self._origins or self._find(*where) is not None:
            self._load(*where)
        else:
            self._asked[where] = Receipt(last.epoch, 0, 0)

    def refuse(self, refusal: Refusal, payload: bytes) -> None:
        """Keep a refusal that has no place in any stream."""
        self._result.refused.append((refusal.device, refusal.reason))
        if self._room.take(Stream.DATA, len(payload)):  # else it is counted, and not kept
            self._keep_dead(refusal, None, payload)

    def offer(
        self, place: Numbered, message: Message | None, refusal: Refusal | None, payload: bytes
    ) -> None:
        """Give one numbered message its place; ``refusal`` says why it is a dead letter."""
        key = place.key
        origin = self._load(key.device, key.epoch)
        if origin.state != "open":
            origin.refused.append((key.stream.value, key.seq, Reason.CONFLICT.value))
            return
        marks = origin.marks[key.stream]
        alerts = len(message.items) if message and key.stream is Stream.ALERT else 0
        if not marks.has(key.seq) and not self._room.take(key.stream, len(payload), alerts):
            # Its device keeps it: neither it nor the gap it declares may move the mark.
            self._result.held[key.stream] += 1
            return
        admission = marks.offer(key.seq, place.base, place.digest)
        match admission:
            case Admission.NEW if message is not None:
                origin.received += 1
                self.messages.append(message)
            case Admission.NEW:
                origin.received += 1
                self.buried.append((key, _reason(refusal)))
                self._dead(refusal, key, payload)
                origin.refused.append((key.stream.value, key.seq, _reason(refusal)))
            case Admission.DUPLICATE:
                origin.duplicates += 1
            case Admission.CONFLICT:
                # The marks of this epoch mean nothing any more: the device must draw a new one.
                origin.state = "conflicted"
                origin.refused.append((key.stream.value, key.seq, Reason.CONFLICT.value))
                self._result.conflicts.append(key)
            case Admission.BEYOND:
                beyond = Refusal(key.device, Reason.BEYOND_WINDOW, "seq is far beyond the mark")
                self._dead(beyond, key, payload)
                origin.refused.append((key.stream.value, key.seq, Reason.BEYOND_WINDOW.value))

    def number(self, message: Message, payload: bytes) -> None:
        """Take a message of a topic map, if there is room: its device would not keep it."""
        key = message.key
        if self._room.take(key.stream, len(payload)):
            self.unnumbered.append(message)
        else:
            self.turned_away.append(message)
            self._result.held[key.stream] += 1

    def _dead(self, refusal: Refusal | None, key: Key, payload: bytes) -> None:
        if refusal is not None:
            self._result.refused.append((refusal.device, refusal.reason))
            self._keep_dead(refusal, key, payload)

    def counts(self) -> list[DayCount]:
        """Return what this batch adds to the gap reports of its devices."""
        return [
            DayCount(
                device,
                origin.received,
                origin.duplicates,
                sum(marks.lost for marks in origin.marks.values()),
            )
            for (device, _), origin in self._origins.items()
        ] + [
            DayCount(device, received, 0, 0)
            for device, received in Counter(one.key.device for one in self.unnumbered).items()
        ]

    def finish(self, *, crowded: bool) -> Admitted:
        """Write the marks and return what to tell the devices."""
        result = self._result
        result.crowded = crowded
        result.stored = len(self.messages)
        result.alerts = sum(m.message_class is MessageClass.ALERT for m in self.messages)
        for (device, epoch), origin in self._origins.items():
            self._save(origin)
            result.duplicates += origin.duplicates
            lost = sum(marks.lost for marks in origin.marks.values())
            if lost > 0:
                result.lost.append((device, lost))
            result.receipts.append((device, _receipt(epoch, origin)))
        result.receipts += [
            (where[0], receipt)
            for where, receipt in self._asked.items()
            if where not in self._origins  # opened later in this batch: its marks are above
        ]
        if crowded:
            hold = ("data",)
            result.receipts = [
                (device, msgspec.structs.replace(receipt, pause=hold))
                for device, receipt in result.receipts
            ]
        if result.refused:
            bound(self._db, {device for device, _ in result.refused}, self._bounds)
        return result

    def _find(self, device: DeviceId, epoch: int) -> tuple[int, str, int, int] | None:
        row: tuple[int, str, int, int] | None = self._db.execute(
            "SELECT id, state, alert, data FROM origin WHERE device = ? AND epoch = ?",
            (device, epoch),
        ).fetchone()
        return row

    def _load(self, device: DeviceId, epoch: int) -> _Origin:
        loaded = self._origins.get((device, epoch))
        if loaded is not None:
            return loaded
        row = self._find(device, epoch) or self._open(device, epoch)
        number, state, alert, data = row
        marks = {
            stream: Marks(
                mark, self._ahead(number, stream, mark), _lookup(self._db, number, stream)
            )
            for stream, mark in ((Stream.ALERT, alert), (Stream.DATA, data))
        }
        origin = self._origins[device, epoch] = _Origin(number, state, marks)
        return origin

    def _ahead(self, number: int, stream: Stream, mark: int) -> dict[int, bytes]:
        rows = self._db.execute(
            "SELECT seq, digest FROM seen WHERE origin = ? AND stream = ? AND seq > ?",
            (number, stream.value, mark),
        )
        return {int(seq): bytes(digest) for seq, digest in rows}

    def _open(self, device: DeviceId, epoch: int) -> tuple[int, str, int, int]:
        """Open a new epoch; close the one that rested longest when there are too many."""
        self._result.opened.append(device)
        loaded = {one.number: one for (owner, _), one in self._origins.items() if owner == device}
        # What this batch has used did not rest, though its row will say so only in ``finish``.
        self._db.executemany(
            "UPDATE origin SET used_ms = max(used_ms, ?) WHERE id = ?",
            [(self._now, number) for number in loaded],
        )
        others = self._db.execute(
            "SELECT id FROM origin WHERE device = ? AND state <> 'closed' AND epoch > 0 "
            "ORDER BY used_ms DESC, id DESC",
            (device,),
        ).fetchall()
        for (number,) in others[EPOCHS_OPEN_MAX - 1 :]:
            self._db.execute("UPDATE origin SET state = 'closed' WHERE id = ?", (number,))
            self._db.execute("DELETE FROM seen WHERE origin = ?", (number,))
            if number in loaded:
                loaded[number].close()
        self._db.execute(
            "DELETE FROM origin WHERE id IN (SELECT id FROM origin WHERE device = ? AND "
            "state = 'closed' ORDER BY used_ms DESC, id DESC LIMIT -1 OFFSET ?)",
            (device, EPOCHS_CLOSED_KEPT),
        )
        cursor = self._db.execute(
            "INSERT INTO origin (device, epoch, used_ms) VALUES (?, ?, ?)",
            (device, epoch, self._now),
        )
        return int(cursor.lastrowid or 0), "open", 0, 0

    def _save(self, origin: _Origin) -> None:
        alert, data = origin.marks[Stream.ALERT], origin.marks[Stream.DATA]
        self._db.execute(
            "UPDATE origin SET alert = ?, data = ?, state = ?, lost = lost + ?, "
            "duplicates = duplicates + ?, used_ms = max(used_ms, ?) WHERE id = ?",
            (
                alert.mark,
                data.mark,
                origin.state,
                alert.lost + data.lost,
                origin.duplicates,
                self._now,
                origin.number,
            ),
        )
        for stream, marks in origin.marks.items():
            if marks.stored:
                self._db.executemany(
                    "INSERT INTO seen (origin, stream, seq, digest) VALUES (?, ?, ?, ?)",
                    [
                        (origin.number, stream.value, seq, digest)
                        for seq, digest in marks.stored.items()
                    ],
                )
                self._db.execute(
                    "DELETE FROM seen WHERE origin = ? AND stream = ? AND seq <= ?",
                    (origin.number, stream.value, marks.mark - DIGESTS_KEPT),
                )

    def _keep_dead(self, refusal: Refusal, key: Key | None, payload: bytes) -> None:
        kept = kept_of(refusal, payload)[: self._bounds.payload_bytes]
        deadletters.keep(self._db, Letter(refusal, key, kept, self._now), self._cipher)


def _reason(refusal: Refusal | None) -> str:
    return refusal.reason.value if refusal is not None else Reason.MALFORMED.value


def _lookup(db: sqlite3.Connection, number: int, stream: Stream) -> Callable[[int], bytes | None]:
    def known(seq: int) -> bytes | None:
        row = db.execute(
            "SELECT digest FROM seen WHERE origin = ? AND stream = ? AND seq = ?",
            (number, stream.value, seq),
        ).fetchone()
        return bytes(row[0]) if row else None

    return known


def _receipt(epoch: int, origin: _Origin) -> Receipt:
    """Return the receipt. In a conflicted or closed epoch no mark may free anything."""
    refused = origin.refused
    if origin.state == "open":
        marks = origin.marks[Stream.ALERT].mark, origin.marks[Stream.DATA].mark
    else:
        marks = 0, 0
        refused = [one for one in refused if one[2] == Reason.CONFLICT.value] or [ANY_CONFLICT]
    return Receipt(epoch, *marks, refused=tuple(refused[:REFUSALS_A_RECEIPT_MAX]))


@dataclass(frozen=True, slots=True)
class Origin:
    """The epoch that a device used last: its marks and when it was used."""

    epoch: int | None
    alert: int
    data: int
    used: SiteTime | None


async def origins(db: aiosqlite.Connection) -> dict[DeviceId, Origin]:
    """Return the latest epoch of each device, on a read-only connection."""
    rows = await db.execute_fetchall(
        "SELECT device, epoch, alert, data, max(used_ms) FROM origin GROUP BY device"
    )
    return {DeviceId(r[0]): Origin(r[1], r[2], r[3], SiteTime(r[4])) for r in rows}
