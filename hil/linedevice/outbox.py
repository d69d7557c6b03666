"""The outbox: every message stays on this device's disk until the gateway's receipt.

Rules:
- Numbering and storing are one transaction, synced to the disk: a number is never used
  twice, whenever the power goes. Put many drafts in one call; one call is one sync.
- Each stream is one row of messages without holes, kept by *position*, which only grows.
  ``seq = position - start``. A new epoch moves ``start``: it renumbers the whole outbox,
  in order, by writing one row a stream, whatever the outbox holds.
- It is bounded. When it is full the oldest data go first, alerts last; ``base`` of the
  next message tells the gateway which numbers it need not wait for.

One object may be used by several threads.
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Final, Literal, Self

from hil.linedevice.payloads import Draft, Last, Numbered, Stamp, Stream
from hil.linedevice.protocol import Held

ROW_OVERHEAD_BYTES: Final = 128
"""What a message takes beside its items, for the bound."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS epoch(one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS stream(
  name TEXT PRIMARY KEY, start INTEGER NOT NULL, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message(
  stream TEXT NOT NULL, position INTEGER NOT NULL, bytes INTEGER NOT NULL,
  boot TEXT NOT NULL, mono_ms INTEGER NOT NULL, time_ms INTEGER NOT NULL,
  type TEXT, content_type TEXT NOT NULL, items BLOB NOT NULL,
  PRIMARY KEY (stream, position));
"""


class DamagedError(Exception):
    """The file is no outbox that can be read. Set it aside and begin a new epoch."""


def draw_epoch() -> int:
    """Return 53 random bits, not 0: exact as a double, and no clock is needed to be new."""
    return secrets.randbits(53) or 1


def set_aside(path: Path) -> Path:
    """Move a damaged outbox out of the way, for somebody to look at; return its new name."""
    aside = path.with_name(path.name + ".damaged")
    for suffix in ("", "-wal"):
        if (part := path.with_name(path.name + suffix)).exists():
            part.replace(aside.with_name(aside.name + suffix))
    return aside


class Outbox:
    """A file of messages without receipt. ``dropped`` counts what overflow has cost so far."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 64 * 1024 * 1024,
        max_messages: int = 50_000,
    ) -> None:
        """Open or create the file.

        Raises:
            DamagedError: the file is there but is no sound outbox.
            sqlite3.OperationalError: it cannot be opened or written at all.
        """
        self._max_bytes, self._max_messages = max_bytes, max_messages
        self.dropped = 0
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, 0.5, isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except BaseException as error:
            self._db.close()
            if type(error) is sqlite3.DatabaseError:  # its subclasses are about access and space
                msg = f"{path} is no sound outbox: {error}"
                raise DamagedError(msg) from error
            raise

    def _open(self) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second device here is refused
        self._db.execute("PRAGMA journal_mode = WAL")
        (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        self._db.executescript(SCHEMA)
        self._db.execute("INSERT OR IGNORE INTO epoch VALUES (1, ?)", (draw_epoch(),))
        for stream in Stream:
            self._db.execute("INSERT OR IGNORE INTO stream VALUES (?, 0, 0)", (stream.value,))
        self._recount()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. There is nothing left to write."""
        with self._lock:
            self._db.close()

    def _recount(self) -> None:
        """Take over what the file says."""
        self._epoch: int
        (self._epoch,) = self._db.execute("SELECT epoch FROM epoch").fetchone()
        (self._bytes,) = self._db.execute("SELECT coalesce(sum(bytes), 0) FROM message").fetchone()
        self._start: dict[Stream, int] = {}
        self._held: dict[Stream, range] = {}  # positions, not numbers
        for name, start, last, first in self._db.execute(
            "SELECT name, start, last, coalesce("
            "(SELECT min(position) FROM message WHERE stream = name), last + 1) FROM stream"
        ):
            self._start[Stream(name)] = start
            self._held[Stream(name)] = range(first, last + 1)

    @contextmanager
    def _transaction(self, durable: Literal["FULL", "NORMAL"] = "FULL") -> Iterator[None]:
        """Change the file. NORMAL may lose the commit at a power cut, and never another's order."""
        with self._lock:
            self._db.execute(f"PRAGMA synchronous = {durable}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._recount()
                raise

    @property
    def epoch(self) -> int:
        """The epoch of the numbers that are given now."""
        return self._epoch

    def __len__(self) -> int:
        return sum(len(held) for held in self._held.values())

    def held(self) -> Held:
        """Return the numbers that are held, by stream."""
        with self._lock:
            return {stream: self._numbers(stream) for stream in Stream}

    def _numbers(self, stream: Stream) -> range:
        held, start = self._held[stream], self._start[stream]
        return range(held.start - start, held.stop - start)

    def last(self) -> Last:
        """Return the highest numbers given so far, as a status tells them."""
        held = self.held()
        return Last(self._epoch, held[Stream.ALERT].stop - 1, held[Stream.DATA].stop - 1)

    def put(self, drafts: Sequence[Draft]) -> None:
        """Number and store ``drafts``; return when they are on the disk.

        Crash: during the call, all of them are kept or none. Overflow drops in the same
        transaction; a draft that finds no room takes its number all the same.

        Raises:
            sqlite3.Error: the disk is full or broken; nothing was stored.
        """
        with self._transaction():
            for draft in drafts:
                self._append(draft)
            dropped = 0
            while self._bytes > self._max_bytes or len(self) > self._max_messages:
                stream = Stream.DATA if self._held[Stream.DATA] else Stream.ALERT
                dropped += self._delete(stream, self._held[stream].start)
        self.dropped += dropped

    def _append(self, draft: Draft) -> None:
        stream, stamp = draft.stream, draft.stamp
        position, size = self._held[stream].stop, len(draft.items) + ROW_OVERHEAD_BYTES
        self._db.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stream.value,
                position,
                size,
                *astuple(stamp),
                draft.type,
                draft.content_type,
                draft.items,
            ),
        )
        self._db.execute("UPDATE stream SET last = ? WHERE name = ?", (position, stream.value))
        self._held[stream] = range(self._held[stream].start, position + 1)
        self._bytes += size

    def _delete(self, stream: Stream, up_to: int) -> int:
        """Delete the positions up to ``up_to`` in the caller's transaction; return how many."""
        where = "FROM message WHERE stream = ? AND position <= ?"
        key = (stream.value, up_to)
        count, size = self._db.execute(
            f"SELECT count(*), coalesce(sum(bytes), 0) {where}", key
        ).fetchone()
        self._db.execute(f"DELETE {where}", key)
        self._bytes -= size
        self._held[stream] = range(self._held[stream].start + count, self._held[stream].stop)
        return int(count)

    def free(self, marks: Mapping[Stream, int]) -> int:
        """Delete every stream's messages up to its mark; return how many that were.

        Crash: a power cut may bring them back. They are sent again and the gateway knows
        them, so this commit does not wait for the disk and flash lives longer.
        """
        if not any(mark >= self.held()[stream].start for stream, mark in marks.items()):
            return 0
        with self._transaction("NORMAL"):
            return sum(self._delete(s, mark + self._start[s]) for s, mark in marks.items())

    def renumber(self) -> int:
        """Draw an epoch and number everything that is held from 1 again; return the epoch.

        Crash: before the commit the old epoch goes on, and the gateway asks again.
        """
        with self._transaction():
            self._db.execute("UPDATE epoch SET epoch = ?", (draw_epoch(),))
            for stream, held in self._held.items():
                start = (held.start - 1, stream.value)
                self._db.execute("UPDATE stream SET start = ? WHERE name = ?", start)
            self._recount()
            return self._epoch

    def read(self, stream: Stream, seq: int) -> Numbered | None:
        """Return message ``seq`` with its key of this moment, or None when it is gone."""
        with self._lock:
            row = self._db.execute(
                "SELECT boot, mono_ms, time_ms, type, content_type, items FROM message"
                " WHERE stream = ? AND position = ?",
                (stream.value, seq + self._start[stream]),
            ).fetchone()
            if row is None:
                return None
            boot, mono_ms, time_ms, kind, content_type, items = row
            draft = Draft(stream, Stamp(boot, mono_ms, time_ms), kind, content_type, items)
            return Numbered(draft, self._epoch, seq, self._numbers(stream).start)
