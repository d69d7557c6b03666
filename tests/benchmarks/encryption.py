"""What encryption at rest costs: the intake's transaction with it and without, and the way back.

The same results of 256 bytes are admitted into a file in commits of 500, by the gateway's own
functions, once under the cipher and once under one that only copies. CPU is the process's,
without the disk. Then all that waits is read for the uplink, and sealed under another key.
"""

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.app.message import SpoolSide
from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.intake.deadletters import Bounds
from gateway.intake.store import admit
from gateway.model.cipher import PLAIN, Cipher
from gateway.model.outcome import MessageClass
from gateway.model.room import boundless
from gateway.model.time import SiteTime
from gateway.spool import due, resealing
from gateway.store.resealing import look, reseal
from gateway.store.sqlite import Engine, transaction
from tests.benchmarks import messages
from tests.benchmarks.report import Options, Report, middle
from tests.support.desk import CONTRACT, Sent, arrival
from tests.support.spooled import spool_file

MESSAGES: Final = 20_000
A_COMMIT: Final = 500
A_BATCH: Final = 1_000
BOUNDS: Final = Bounds(1_000, 64)
NOW: Final = SiteTime(1_800_000_000_000)


class Copying(Cipher):
    """Stores what it is given: what the first schema did."""

    def seal(self, plain: bytes, place: str) -> tuple[int, bytes]:
        return PLAIN, plain


class Taken(NamedTuple):
    """CPU microseconds a message, and bytes of the file for each message."""

    admit_us: float
    read_us: float
    file_bytes: float


def keyed(kind: type[Cipher]) -> Cipher:
    keys = {1: AESGCM(bytes(32)), 2: AESGCM(bytes(31) + b"2")}
    return kind(os.urandom, keys, 1, plain=True)


def measure(options: Options) -> Report:
    """Admit, read and seal anew."""
    count = max(A_COMMIT, round(MESSAGES * options.share) // A_COMMIT * A_COMMIT)
    sent = [arrival(messages.data(7, seq, 1), "data") for seq in range(1, count + 1)]
    found: dict[str, list[Taken]] = {"plain text": [], "AES-256-GCM": []}
    anew: list[float] = []
    for _ in range(options.rounds):
        for name, kind in (("plain text", Copying), ("AES-256-GCM", Cipher)):
            with tempfile.TemporaryDirectory() as folder:
                path, cipher = Path(folder) / "spool.db", keyed(kind)
                found[name].append(_taken(path, sent, cipher))
                if kind is Cipher:
                    anew.append(asyncio.run(_anew(path, cipher)) / count)
    report = Report(
        "encryption",
        f"Encryption at rest: {count:,} messages of 256 bytes, median of {options.rounds}",
        ("admit us", "read us", "file bytes"),
    )
    for name, rounds in found.items():
        admitted, read, size = (middle([one[column] for one in rounds]) for column in range(3))
        report.rows[name] = (admitted, read, size)
    plain, sealed = report.rows["plain text"], report.rows["AES-256-GCM"]
    report.ratios = {
        "admit, encrypted / plain": (sealed[0] or 0) / (plain[0] or 1),
        "file, encrypted / plain": (sealed[2] or 0) / (plain[2] or 1),
    }
    report.notes = [f"sealed anew under another key: {middle(anew):.1f} us of CPU a message"]
    return report


def _cpu_us(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e6


def _taken(path: Path, sent: list[Sent], cipher: Cipher) -> Taken:
    side = SpoolSide({CONTRACT.sha256: CONTRACT}, lambda _: boundless(), cipher)
    db = spool_file(path)

    def admitted() -> None:
        for first in range(0, len(sent), A_COMMIT):
            with transaction(db):
                admit(db, sent[first : first + A_COMMIT], now=NOW, spool=side, bounds=BOUNDS)

    took_us = _cpu_us(admitted)
    size = int(db.execute("PRAGMA page_count").fetchone()[0]) * int(
        db.execute("PRAGMA page_size").fetchone()[0]
    )
    db.close()
    read_us = _cpu_us(lambda: asyncio.run(_read(path, len(sent), cipher)))
    return Taken(took_us / len(sent), read_us / len(sent), size / len(sent))


async def _read(path: Path, count: int, cipher: Cipher) -> None:
    async with Engine(path, SPOOL_MIGRATIONS) as engine, engine.reader() as db:
        for first in range(1, count + 1, A_BATCH):
            numbers = tuple(range(first, min(first + A_BATCH, count + 1)))
            read = await due.contents(db, MessageClass.RESULT, numbers, cipher)
            if len(read) != len(numbers):
                msg = "a message did not open"
                raise sqlite3.DataError(msg)


async def _anew(path: Path, cipher: Cipher) -> float:
    """Return the CPU microseconds of sealing all messages under key 2."""
    cipher.adopt(2, AESGCM(bytes(31) + b"2"))
    began = time.process_time()
    async with Engine(path, SPOOL_MIGRATIONS) as engine, engine.reader() as db:
        after = 0
        while rows := await look(db, resealing.MESSAGES, after):
            after, todo = rows[-1][0], [number for number, _ in rows]
            while todo:
                done, _ = await engine.write(reseal, resealing.MESSAGES, todo, cipher)
                todo = todo[done:]
    return (time.process_time() - began) * 1e6
