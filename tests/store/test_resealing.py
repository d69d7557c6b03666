"""Sealing anew holds the writer for a bounded time, and changes nothing but the key."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.model.cipher import Cipher
from gateway.model.outcome import MessageClass
from gateway.model.telemetry import Image
from gateway.model.time import SiteTime
from gateway.spool import resealing, store
from gateway.store.resealing import STEP_BYTES_MAX, STEP_ROWS_MAX, reseal
from gateway.store.sqlite import transaction
from tests.support.spooled import CONTRACTS, item, message, spool_file

PICTURE = Image("image/png", os.urandom(100_000))


def test_a_step_ends_after_its_bytes_and_after_its_rows(tmp_path: Path):
    db = spool_file(tmp_path / "spool.db")
    cipher = Cipher(os.urandom, {1: AESGCM(bytes(32))}, 1)
    alerts = [
        message(seq, MessageClass.ALERT, item(MessageClass.ALERT, image=PICTURE))
        for seq in range(1, 8)
    ]
    with transaction(db):
        store.enqueue(db, alerts, SiteTime(5), CONTRACTS, cipher)
        many = [message(seq) for seq in range(1, STEP_ROWS_MAX + 3)]
        store.enqueue(db, many, SiteTime(5), CONTRACTS, cipher)
    cipher.adopt(2, AESGCM(bytes(31) + b"2"))
    with transaction(db):
        done, closed = reseal(db, resealing.PICTURES, range(1, 8), cipher)
        assert (done, closed) == (-(-STEP_BYTES_MAX // 100_000), [])
        done, closed = reseal(db, resealing.MESSAGES, range(8, 8 + len(many)), cipher)
        assert (done, closed) == (STEP_ROWS_MAX, [])
    db.close()


def test_a_row_that_ended_meanwhile_is_passed_over(tmp_path: Path):
    db = spool_file(tmp_path / "spool.db")
    cipher = Cipher(os.urandom, {1: AESGCM(bytes(32))}, 1)
    with transaction(db):
        store.enqueue(db, [message(1)], SiteTime(5), CONTRACTS, cipher)
        assert reseal(db, resealing.MESSAGES, [1, 99], cipher) == (2, [])
    db.close()
