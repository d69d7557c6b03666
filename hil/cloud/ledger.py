"""What arrived, in D/cloud.db: each batch once, with how often it came. All SQL of the stand-in.

``synchronous=FULL`` and one transaction an arrival: when ``arrive`` returns, the batch
is on the disk, and only then is it echoed.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from hil.cloud.batch import Batch

BODIES_KEPT: Final = 20_000
"""The ledger keeps a line for every batch; ``show`` can decode the newest this many."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS batch (
    digest TEXT PRIMARY KEY,
    class TEXT NOT NULL,
    site TEXT NOT NULL,
    rows INTEGER NOT NULL,
    items INTEGER NOT NULL,
    wire_bytes INTEGER NOT NULL,
    decoded_bytes INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    times INTEGER NOT NULL,
    resent INTEGER NOT NULL DEFAULT 0,
    arrival INTEGER NOT NULL UNIQUE  -- the number of its latest arrival: a watcher's cursor
) STRICT;
CREATE TABLE IF NOT EXISTS body (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    bytes BLOB NOT NULL
) STRICT;
"""


class Entry(NamedTuple):
    """One batch of the ledger. ``received_ms`` is Unix time of its first arrival.

    ``resent`` counts arrivals that the sender marked as perhaps not the first.
    """

    batch: str
    class_: str
    rows: int
    items: int
    received_ms: int
    times: int
    resent: int
    wire_bytes: int
    decoded_bytes: int
    arrival: int


class ClassTotal(NamedTuple):
    """All batches of one class together; ``sent_again`` counts repeated arrivals."""

    class_: str
    batches: int
    rows: int
    items: int
    wire_bytes: int
    decoded_bytes: int
    sent_again: int


class Ledger:
    """The server's side: the only writer. Not to be used from two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(
            folder / "cloud.db", isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        # An echo is a promise: the batch must survive a power cut right after it.
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        names = {row[1] for row in self._db.execute("PRAGMA table_info(batch)")}
        if "resent" not in names:  # a folder from before resends were marked
            self._db.execute("ALTER TABLE batch ADD COLUMN resent INTEGER NOT NULL DEFAULT 0")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def arrive(self, batch: Batch, body: bytes, now_ms: int, *, resent: bool = False) -> int:
        """Keep ``batch`` and return how often it has come now. On return it is on the disk.

        Crash: before the commit nothing is kept and nothing was echoed; after it the
        batch is kept, and when it comes again it is counted, not doubled.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            times = self._note(batch, body, now_ms, resent=resent)
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk fails the COMMIT itself and may have rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return times

    def _note(self, batch: Batch, body: bytes, now_ms: int, *, resent: bool) -> int:
        found = self._db.execute(
            "UPDATE batch SET times = times + 1, resent = resent + ?,"
            " arrival = (SELECT max(arrival) + 1 FROM batch) WHERE digest = ? RETURNING times",
            (resent, batch.digest),
        ).fetchall()
        if found:
            return int(found[0][0])
        document = batch.document
        self._db.execute(
            "INSERT INTO batch (digest, class, site, rows, items, wire_bytes, decoded_bytes,"
            " received_ms, resent, times, arrival) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1,"
            " (SELECT coalesce(max(arrival), 0) + 1 FROM batch))",
            (
                batch.digest,
                document.class_,
                document.site,
                document.rows,
                document.items,
                len(body),
                batch.decoded_bytes,
                now_ms,
                resent,
            ),
        )
        self._db.execute("INSERT INTO body (digest, bytes) VALUES (?, ?)", (batch.digest, body))
        self._db.execute(
            "DELETE FROM body WHERE id <= (SELECT max(id) FROM body) - ?", (BODIES_KEPT,)
        )
        return 1


class LedgerReader:
    """The commands' side: reads while the server writes, or when no server runs."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "cloud.db"

    def entries(self, after_arrival: int = 0) -> list[Entry]:
        """Return batches in the order of their latest arrival, those after ``after_arrival``."""
        rows = self._query(
            "SELECT digest, class, rows, items, received_ms, times, resent, wire_bytes,"
            " decoded_bytes,"
            " arrival FROM batch WHERE arrival > ? ORDER BY arrival",
            (after_arrival,),
        )
        return [Entry(*row) for row in rows]

    def totals(self) -> list[ClassTotal]:
        """Return one total a class, in the order of their names."""
        rows = self._query(
            "SELECT class, count(*), sum(rows), sum(items), sum(wire_bytes), sum(decoded_bytes),"
            " sum(times - 1) FROM batch GROUP BY class ORDER BY class",
            (),
        )
        return [ClassTotal(*row) for row in rows]

    def newest(self, class_: str, at_most: int) -> list[tuple[str, bytes]]:
        """Return (digest, body) of the newest batches of ``class_`` whose body is kept."""
        rows = self._query(
            "SELECT digest, bytes FROM body JOIN batch USING (digest) WHERE class = ?"
            " ORDER BY id DESC LIMIT ?",
            (class_, at_most),
        )
        return [(digest, body) for digest, body in rows]

    def matching(self, prefix: str) -> list[Entry]:
        """Return the batches whose digest begins with ``prefix``, at most two of them."""
        rows = self._query(
            "SELECT digest, class, rows, items, received_ms, times, resent, wire_bytes,"
            " decoded_bytes,"
            " arrival FROM batch WHERE substr(digest, 1, ?) = ? LIMIT 2",
            (len(prefix), prefix),
        )
        return [Entry(*row) for row in rows]

    def body(self, digest: str) -> bytes | None:
        """Return the body as it was sent, or None when it is no longer kept."""
        rows = self._query("SELECT bytes FROM body WHERE digest = ?", (digest,))
        return bytes(rows[0][0]) if rows else None

    def _query(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []  # nothing was ever served here
        with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'body'").fetchall()
            return db.execute(sql, values).fetchall() if made else []
