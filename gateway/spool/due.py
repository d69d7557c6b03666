"""What waits to be sealed, read on the spool's read-only connection."""

from dataclasses import dataclass
from typing import Any, Final

import aiosqlite
import msgspec

from gateway.model.cipher import Cipher, UnreadableError
from gateway.model.outcome import MessageClass
from gateway.model.readings import MetricItem
from gateway.model.telemetry import AlertItem, Image, Item, LogItem, ResultItem
from gateway.model.time import SiteTime
from gateway.spool.places import message_place, picture_place


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued message that may leave, as far as planning a batch needs it."""

    number: int
    message_class: MessageClass
    contract_sha256: str
    received: SiteTime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Content:
    """What such a message says."""

    number: int
    received: SiteTime
    items: tuple[Item, ...]


_DECODERS: Final[dict[MessageClass, msgspec.msgpack.Decoder[Any]]] = {
    MessageClass.ALERT: msgspec.msgpack.Decoder(tuple[AlertItem, ...]),
    MessageClass.RESULT: msgspec.msgpack.Decoder(tuple[ResultItem, ...]),
    MessageClass.METRIC: msgspec.msgpack.Decoder(tuple[MetricItem, ...]),
    MessageClass.ERROR_LOG: msgspec.msgpack.Decoder(tuple[LogItem, ...]),
    MessageClass.LOG: msgspec.msgpack.Decoder(tuple[LogItem, ...]),
}


_STORED: Final = "id, received_ms, device, epoch, stream, seq, contract, key_id, body"
_FREE: Final = "class = :class AND batch IS NULL AND leaves = 1"
_MIDDLE_IS_OLD: Final = f"""(
    SELECT received_ms FROM message WHERE {_FREE} AND id >= (low + high) / 2 ORDER BY id LIMIT 1
) < :live"""  # noqa: S608 -- a condition of ours
_EDGE: Final = f"""
WITH RECURSIVE edge(low, high) AS (
    SELECT :low, (SELECT max(id) + 1 FROM message WHERE {_FREE})
    UNION ALL
    SELECT iif({_MIDDLE_IS_OLD}, (low + high) / 2 + 1, low),
           iif({_MIDDLE_IS_OLD}, high, (low + high) / 2)
    FROM edge WHERE low < high)
SELECT low FROM edge WHERE low >= high"""  # noqa: S608 -- the same
"""Where what came later begins, found by halves: ids and site time both only grow."""


async def waiting(
    db: aiosqlite.Connection, message_class: MessageClass, most: int, live_from: SiteTime
) -> list[Waiting]:
    """Return the oldest ``most`` messages of a class that may leave, and as many live ones.

    Live is what came at ``live_from`` or later. Oldest first, each once.
    """
    found = await _from(db, message_class, 0, most)
    if len(found) < most or found[0].received >= live_from:
        return found  # these are all, or all of them are live
    values = {"class": message_class.value, "low": found[0].number, "live": live_from}
    edges = await db.execute_fetchall(_EDGE, values)
    begin = max(next(int(row[0]) for row in edges), found[-1].number + 1)
    return found + await _from(db, message_class, begin, most)


async def _from(
    db: aiosqlite.Connection, message_class: MessageClass, begin: int, most: int
) -> list[Waiting]:
    rows = await db.execute_fetchall(
        f"SELECT id, contract, received_ms, size_bytes FROM message "  # noqa: S608 -- the same
        f"WHERE {_FREE} AND id >= :begin ORDER BY id LIMIT :most",
        {"class": message_class.value, "begin": begin, "most": most},
    )
    return [Waiting(r[0], message_class, r[1], SiteTime(r[2]), r[3]) for r in rows]


async def contract_of(db: aiosqlite.Connection, sha256: str) -> str | None:
    """Return the contract under which a batch was sealed; it has one. None where it is gone."""
    rows = await db.execute_fetchall(
        "SELECT contract FROM message WHERE batch = ? LIMIT 1", (sha256,)
    )
    return next((str(row[0]) for row in rows), None)


async def contents(
    db: aiosqlite.Connection,
    message_class: MessageClass,
    numbers: tuple[int, ...],
    cipher: Cipher,
) -> list[Content]:
    """Return the items of messages, alerts with their pictures.

    What does not open any more is left out: the caller ends it.
    """
    marks = ",".join("?" * len(numbers))
    rows = await db.execute_fetchall(
        f"SELECT {_STORED} FROM message WHERE id IN ({marks}) ORDER BY id",  # noqa: S608 -- question marks only
        numbers,
    )
    decode = _DECODERS[message_class].decode
    found: list[Content] = []
    for number, received_ms, device, epoch, stream, seq, contract, key_id, body in rows:
        place = message_place((device, epoch, stream, seq), message_class.value, contract)
        try:
            items = decode(cipher.open(key_id, body, place))
            content = Content(number, SiteTime(received_ms), items)
            if message_class is MessageClass.ALERT:
                content = await _with_pictures(db, content, cipher)
        except (UnreadableError, msgspec.MsgspecError):
            continue
        found.append(content)
    return found


async def _with_pictures(db: aiosqlite.Connection, content: Content, cipher: Cipher) -> Content:
    rows = await db.execute_fetchall(
        "SELECT alert.id, alert.device, received_ms, picture_type, picture.key_id, data "
        "FROM alert LEFT JOIN picture ON picture.alert = alert.id "
        "WHERE alert.message = ? ORDER BY alert.id",
        (content.number,),
    )
    images: list[Image | None] = []
    for number, device, received_ms, kind, key_id, data in rows:
        image = None
        if kind and data:
            place = picture_place(number, device, received_ms)
            try:
                image = Image(kind, cipher.open(key_id, data, place))
            except UnreadableError:
                image = None  # the alert is worth sending without it
        images.append(image)
    # The alerts of a batch that was parked for long are gone from the page, pictures and all.
    images += [None] * (len(content.items) - len(images))
    items = tuple(
        msgspec.structs.replace(item, image=image) if isinstance(item, AlertItem) else item
        for item, image in zip(content.items, images, strict=True)
    )
    return Content(content.number, content.received, items)
