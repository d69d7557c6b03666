"""What stands in a sealed batch, as records for a person: the way back from ``encoding``.

Only for batches of this gateway, which lie on its disk; the receiver has a reader of its
own, and a stricter one.
"""

from itertools import accumulate
from typing import Any, Final

import msgspec
import zstandard

from gateway.uplink.encoding import FIELD, PICTURE

DECODED_BYTES_MAX: Final = 64 << 20

Record = dict[str, int | float | str | None]


class Opened(msgspec.Struct, frozen=True):
    """A batch's document, as far as a person reads it."""

    items: int
    contract: str
    privacy: str
    t0_s: int
    scale: dict[str, int]
    labels: dict[str, list[str]]
    columns: dict[str, list[int | str | None]]


def opened(body: bytes) -> Opened:
    """Return the document in ``body``.

    Raises:
        ValueError: these are not the bytes of a batch.
    """
    try:
        text = zstandard.ZstdDecompressor().decompress(body, max_output_size=DECODED_BYTES_MAX)
        return msgspec.json.decode(text, type=Opened)
    except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        msg = f"no sealed batch: {error}"
        raise ValueError(msg) from error


def records(document: Opened, most: int) -> list[Record]:
    """Return the first ``most`` records: a picture by its size, a field by its bare name."""
    columns = {name: _values(document, name) for name in document.columns}
    return [
        {name.removeprefix(FIELD): column[at] for name, column in columns.items()}
        for at in range(min(most, document.items))
    ]


def _values(document: Opened, name: str) -> list[Any]:
    stored = document.columns[name]
    if name == PICTURE:
        return [None if one is None else f"<{len(str(one)) * 3 // 4:,} bytes>" for one in stored]
    if name == "time_s":
        times = list(accumulate((int(one or 0) for one in stored), initial=document.t0_s))
        return times[1:]
    words, scale = document.labels.get(name), document.scale.get(name)
    if words is not None:
        return [words[one] if isinstance(one, int) else one for one in stored]
    if scale is not None:
        return [one / scale if isinstance(one, int) else one for one in stored]
    return list(stored)
