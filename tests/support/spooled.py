"""Messages as the intake admits them, and a spool file to keep them in."""

import os
import sqlite3
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.model.cipher import Cipher
from gateway.model.contract import (
    AlertRule,
    Contract,
    ContractInForce,
    FieldRule,
    LogRule,
    ResultRule,
)
from gateway.model.identity import DeviceId
from gateway.model.message import Key, Message
from gateway.model.outcome import MessageClass, Stream
from gateway.model.readings import MetricItem
from gateway.model.telemetry import AlertItem, Image, Item, LogItem, ResultItem
from gateway.store.sqlite import connect, migrate

FIELDS = {"share": FieldRule("number", ("alert", "result"), leaves=True)}
OPEN = ContractInForce(
    Contract(version=1, name="open", fields=FIELDS, result=ResultRule(rows_leave=True)), "a" * 64
)
"""Everything leaves but metrics."""
CLOSED = ContractInForce(
    Contract(version=1, name="closed", alert=AlertRule(leaves=False), log=LogRule(leaves=False)),
    "b" * 64,
)
"""Nothing leaves."""
CONTRACTS = {one.sha256: one for one in (OPEN, CLOSED)}
CIPHER = Cipher(os.urandom, {1: AESGCM(bytes(32))}, 1)
"""One data key, the same in every test: what one test stored, another opens."""
PICTURE = Image("image/png", b"\x89PNG of a scratch")


def item(message_class: MessageClass, **more: Any) -> Item:
    """One item of a class; an alert bears a picture."""
    match message_class:
        case MessageClass.ALERT:
            return AlertItem(
                **{
                    "id": "a-1",
                    "kind": "defect",
                    "severity": "major",
                    "label": "scratch",
                    "score": 0.5,
                    "image": PICTURE,
                    **more,
                }
            )
        case MessageClass.RESULT:
            plain = {"model": "m@1", "label": "ok", "score": 0.5, "latency_ms": 4.0}
            return ResultItem(mono_ms=5, **{**plain, **more})
        case MessageClass.METRIC:
            return MetricItem(5, "power", 4.5)
        case MessageClass.ERROR_LOG:
            return LogItem(**{"mono_ms": 5, "severity": "error", "template": "jammed", **more})
        case MessageClass.LOG:
            return LogItem(**{"mono_ms": 5, "severity": "info", "template": "started", **more})


def message(
    seq: int,
    message_class: MessageClass = MessageClass.RESULT,
    *items: Item,
    contract: ContractInForce = OPEN,
    epoch: int = 7,
    device: str = "cam-01",
) -> Message:
    """A checked message; without items it has one of its class."""
    stream = Stream.ALERT if message_class is MessageClass.ALERT else Stream.DATA
    key = Key(DeviceId(device), epoch, stream, seq)
    content = items or (item(message_class),)
    return Message(key, message_class, "boot", 5, contract.sha256, content)


def spool_file(path: Path) -> sqlite3.Connection:
    """Open a spool for a test that needs no durability."""
    db = connect(path)
    db.execute("PRAGMA synchronous = OFF")
    migrate(db, path, SPOOL_MIGRATIONS)
    return db
