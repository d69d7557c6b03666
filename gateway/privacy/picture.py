"""An alert's picture as it may leave: a PNG of bounded size with nothing but its pixels.

The reader follows the PNG specification (ISO/IEC 15948, clauses 5 and 11) and refuses
what it does not expect. It copies header, palette and pixels into a new file; every
ancillary chunk (text, time, EXIF, colour profile, transparency) stays on site.

Nothing is decompressed or decoded here. That comes with the sandbox, which will decode
each picture, re-encode it, and so make JPEG releasable too. Until then two risks remain,
and a contract with ``picture_leaves: true`` accepts them:

* the compressed pixel data is copied as it came, so a hostile device can hide other
  bytes in it, up to ``picture_max_bytes``, and a receiver decodes hostile input: it must
  bound its decoder by the width and height of the header;
* the picture shows what the camera saw. Bounds limit how much, never what.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.model.contract import AlertRule
from gateway.model.telemetry import Image

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
HEADER_BYTES: Final = 13
PALETTE_COLOUR: Final = 3
DEPTHS: Final = {  # colour type -> bit depths (ISO/IEC 15948, table 11.1)
    0: (1, 2, 4, 8, 16),
    2: (8, 16),
    PALETTE_COLOUR: (1, 2, 4, 8),
    4: (8, 16),
    6: (8, 16),
}
PALETTE_FORBIDDEN: Final = (0, 4)  # greyscale, with and without alpha
PALETTE_MAX_ENTRIES: Final = 256
ORDER: Final = re.compile(  # of chunk types (ISO/IEC 15948, 5.6); lower case is ancillary
    rb"IHDR( [a-z]\w{3})*( PLTE( [a-z]\w{3})*)?( IDAT)+( [a-z]\w{3})* IEND"
)


class PictureKept(Enum):
    """Why an alert leaves without its picture. The names are counted, so they stay."""

    CONTRACT = "contract"
    TOO_LARGE = "too-large"
    TOO_MANY_PIXELS = "too-many-pixels"
    JPEG = "jpeg-not-released"
    MALFORMED = "malformed"
    FRAME = "frame"
    """The pictures of its message together look like a frame of the camera feed."""


class MalformedPictureError(Exception):
    """The device's fault: the bytes are no PNG as the specification has it."""


class _Chunks:
    """Reads chunk after chunk and checks each CRC, ancillary ones included."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int, what: str) -> bytes:
        """Return the next ``size`` bytes, which hold ``what``."""
        piece = self._data[self._at : self._at + size]
        if len(piece) != size:
            msg = f"{what}: need {size} bytes at offset {self._at}, have {len(piece)}"
            raise MalformedPictureError(msg)
        self._at += size
        return piece

    def chunk(self) -> tuple[bytes, bytes]:
        """Return the next chunk's type and content."""
        at = self._at
        (size,) = struct.unpack(">I", self.take(4, "chunk length"))
        kind = self.take(4, "chunk type")
        if not (kind.isalpha() and kind.isascii() and kind[2:3].isupper()):
            msg = f"chunk type at offset {at + 4} is not four letters with the third in upper case"
            raise MalformedPictureError(msg)
        content = self.take(size, f"content of {kind.decode()}")
        (crc,) = struct.unpack(">I", self.take(4, "chunk CRC"))
        if crc != zlib.crc32(kind + content):
            msg = f"CRC of {kind.decode()} at offset {at} is wrong"
            raise MalformedPictureError(msg)
        return kind, content

    def end(self) -> None:
        """Require that nothing is left: bytes after the picture are hidden freight."""
        if self._at != len(self._data):
            msg = f"{len(self._data) - self._at} bytes after IEND"
            raise MalformedPictureError(msg)


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    colour: int


def release(image: Image, rule: AlertRule) -> bytes | PictureKept:
    """Return the picture as it may leave under ``rule``, or the reason why it stays.

    Total: any bytes give one of the two. A returned picture has one IHDR, at most one
    PLTE, one IDAT and one IEND, and is no longer than what came in.

    Privacy:
        Text, times, places and serial numbers in metadata do not leave. What the pixels
        show does; see the residual risks at the top of this file.
    """
    if not rule.picture_leaves:
        return PictureKept.CONTRACT
    if len(image.data) > rule.picture_max_bytes:  # before anything looks at the bytes
        return PictureKept.TOO_LARGE
    if image.type != "image/png":
        return PictureKept.JPEG
    try:
        header, parts = _read(image.data)
    except MalformedPictureError:
        return PictureKept.MALFORMED
    if header.width * header.height > rule.picture_max_pixels:
        return PictureKept.TOO_MANY_PIXELS
    return SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def _read(data: bytes) -> tuple[_Header, list[tuple[bytes, bytes]]]:
    """Return the header and the chunks to keep.

    The pixel chunks become one, since how they were cut could carry a mark of the device.

    Raises:
        MalformedPictureError: where and how the bytes break the specification.
    """
    reader = _Chunks(data)
    if reader.take(len(SIGNATURE), "signature") != SIGNATURE:
        msg = "the signature is not that of a PNG"
        raise MalformedPictureError(msg)
    chunks = [reader.chunk()]
    while chunks[-1][0] != b"IEND":
        chunks.append(reader.chunk())
    reader.end()
    if ORDER.fullmatch(b" ".join(kind for kind, _ in chunks)) is None:
        msg = "the chunks are not IHDR, at most one PLTE, IDAT in one run, IEND"
        raise MalformedPictureError(msg)

    parts: dict[bytes, bytearray] = {}  # bytearray: many tiny IDAT must not cost a square
    for kind, content in chunks:
        if kind[:1].isupper():
            parts.setdefault(kind, bytearray()).extend(content)
    if not parts[b"IDAT"] or parts[b"IEND"]:
        msg = "IDAT is empty, or IEND is not"
        raise MalformedPictureError(msg)
    header = _header(parts[b"IHDR"])
    _check_palette(header, parts.get(b"PLTE"))
    return header, [(kind, bytes(content)) for kind, content in parts.items()]


def _header(content: bytearray) -> _Header:
    if len(content) != HEADER_BYTES:
        msg = f"IHDR has {len(content)} bytes, not {HEADER_BYTES}"
        raise MalformedPictureError(msg)
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(
        ">IIBBBBB", content
    )
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
        msg = f"IHDR: {width} x {height} pixels are outside 1 to 2^31 - 1"
        raise MalformedPictureError(msg)
    if depth not in DEPTHS.get(colour, ()):
        msg = f"IHDR: depth {depth} does not exist for colour type {colour}"
        raise MalformedPictureError(msg)
    if compression or filtering or interlace > 1:
        msg = "IHDR: unknown compression, filter or interlace method"
        raise MalformedPictureError(msg)
    return _Header(width, height, colour)


def _check_palette(header: _Header, palette: bytearray | None) -> None:
    if palette is None:
        if header.colour == PALETTE_COLOUR:
            msg = "colour type 3 needs a PLTE"
            raise MalformedPictureError(msg)
        return
    entries, rest = divmod(len(palette), 3)
    if header.colour in PALETTE_FORBIDDEN or rest or not 0 < entries <= PALETTE_MAX_ENTRIES:
        msg = f"PLTE of {len(palette)} bytes does not fit colour type {header.colour}"
        raise MalformedPictureError(msg)
