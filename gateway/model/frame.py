"""Does something look like the camera feed? Told from headers and from the form of texts. Pure.

The camera feed never leaves and is never kept: a device looks at it and says what it saw.
A picture of an alert may show a part of a frame. What is larger, what cannot be read, and
what hides bytes behind a small header is taken for a frame; so is a text that carries bytes.

No detector stops a device that spells a picture in words and means to. What bounds it is
that free text never leaves, and that the words that do are few and short.
"""

import re
import struct
from collections.abc import Iterable
from enum import Enum
from typing import Final

from gateway.model.contract import CameraRule
from gateway.model.telemetry import Image


class Frame(Enum):
    """What was taken for a frame of the camera. The names are counted, so they stay."""

    TOO_LARGE = "picture-too-large"
    UNREADABLE = "picture-unreadable"
    FREIGHT = "picture-with-freight"
    TEXT = "picture-in-text"


PNG: Final = b"\x89PNG\r\n\x1a\n"
PNG_HEADER: Final = struct.Struct(">8xI4sII")
JPEG: Final = b"\xff\xd8\xff"
JPEG_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
JPEG_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a length
JPEG_SCAN: Final = 0xDA
JPEG_FILL: Final = 0xFF
JPEG_SEGMENTS_MAX: Final = 1_024
UNREADABLE_BYTES_MAX: Final = 4_096
"""A picture that cannot be read stays at the site while it is too small to show much."""
FREIGHT_BYTES_A_PIXEL: Final = 8  # four channels of 16 bits
FREIGHT_BYTES_MORE: Final = 8_192

WHOLE_PICTURES: Final = (
    *(PNG[:4], JPEG, b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"RIFF", b"\x00\x00\x00\x01"),
    *(b"iVBORw0KGgo", b"/9j/", b"data:image/", b"data:video/"),
)
ANYWHERE: Final = (PNG, JPEG, b"iVBORw0KGgo", b"/9j/", b"data:image/", b"data:video/")
_SPELLED: Final = re.compile(
    r"iVBORw0KGgo|/9j/[A-Za-z0-9+/]{20}|R0lGODlh|data:(?:image|video)/"
    r"|89504e470d0a1a0a|89504E470D0A1A0A|ffd8ffe|FFD8FFE|\x89PNG|\xff\xd8\xff"
)
_DENSE: Final = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_SEPARATOR: Final = re.compile(r"[/_-]")
_MIXED: Final = tuple(re.compile(each) for each in (r"[A-Z]", r"[a-z]", r"[0-9]"))
_HEX: Final = re.compile(r"[0-9a-fA-F]{129,}")  # longer than any digest
_NUMBERS: Final = re.compile(r"(?:\d{1,3}[ ,;]{1,2}){64}")
_BYTES: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\xff]")

TEXT_CHARS_SAFE: Final = 32
"""A text up to this long carries too little to look at."""
CHARS_A_SEPARATOR: Final = 12
"""Base64 has one of these in 32 characters; a path or a name in words has one in about 7."""
DENSE_CHARS_A_TEXT: Final = 96
DENSE_CHARS_A_MESSAGE: Final = 512
BYTES_SHARE_PERCENT: Final = 30
BYTES_CHARS_LEAST: Final = 64


def frame_in(rule: CameraRule, images: Iterable[Image]) -> Frame | None:
    """Return why the pictures of one message are taken for a frame, or None.

    They count together: a frame cut into tiles is a frame.
    """
    together = 0
    for image in images:
        size = pixels(image.data)
        if size is None:
            if len(image.data) > UNREADABLE_BYTES_MAX:
                return Frame.UNREADABLE
            continue
        if len(image.data) > size * FREIGHT_BYTES_A_PIXEL + FREIGHT_BYTES_MORE:
            return Frame.FREIGHT
        together += size
        if together > rule.picture_pixels_max:
            return Frame.TOO_LARGE
    return None


def pixels(data: bytes) -> int | None:
    """Return width times height of a PNG or JPEG, by its header; None where that is unreadable."""
    if data.startswith(PNG):
        return _png_pixels(data)
    return _jpeg_pixels(data) if data.startswith(JPEG) else None


def _png_pixels(data: bytes) -> int | None:
    if len(data) < PNG_HEADER.size:
        return None
    _, kind, width, height = PNG_HEADER.unpack_from(data)
    return width * height or None if kind == b"IHDR" else None


def _jpeg_pixels(data: bytes) -> int | None:
    """Return the largest size that a header before the first scan states."""
    at, largest = 2, 0
    for _ in range(JPEG_SEGMENTS_MAX):  # a real one has dozens, and a hostile one tens of thousands
        if at + 4 > len(data) or data[at] != JPEG_FILL:
            break
        kind = data[at + 1]
        if kind == JPEG_FILL or kind in JPEG_ALONE:
            at += 1 if kind == JPEG_FILL else 2
            continue
        if kind == JPEG_SCAN:
            break
        length = int.from_bytes(data[at + 2 : at + 4])
        if kind in JPEG_SIZES and at + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 5)
            largest = max(largest, width * height)
        at += 2 + max(2, length)
    return largest or None


def spelled_in(texts: Iterable[str]) -> bool:
    """Tell whether the texts of one message carry a picture's bytes in letters or digits."""
    dense = 0
    for text in texts:
        if len(text) <= TEXT_CHARS_SAFE:
            continue
        here = _dense_chars(text)
        dense += here
        if here >= DENSE_CHARS_A_TEXT or _spells(text):
            return True
    return dense >= DENSE_CHARS_A_MESSAGE


def _dense_chars(text: str) -> int:
    """Return how many characters stand in runs that mix capitals, letters and digits."""
    runs: list[str] = _DENSE.findall(text)
    return sum(len(run) for run in runs if _dense(run))


def _dense(run: str) -> bool:
    separators = len(_SEPARATOR.findall(run))
    mixed = all(each.search(run) for each in _MIXED)
    return mixed and separators * CHARS_A_SEPARATOR <= len(run)


def _spells(text: str) -> bool:
    if _SPELLED.search(text) or _NUMBERS.search(text):
        return True
    run = _HEX.search(text)
    if run is not None and not (run[0].isalpha() or run[0].isdigit()):
        return True
    if text.isascii() and text.isprintable():
        return False
    odd = len(_BYTES.findall(text))
    return odd >= BYTES_CHARS_LEAST and odd * 100 >= len(text) * BYTES_SHARE_PERCENT


def is_picture(payload: bytes) -> bool:
    """Tell whether a payload as such is a picture or a piece of a video."""
    return payload.startswith(WHOLE_PICTURES)


def holds_picture(payload: bytes) -> bool:
    """Tell whether a picture begins somewhere in a payload; in doubt yes."""
    return is_picture(payload) or any(mark in payload for mark in ANYWHERE)
