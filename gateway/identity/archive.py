r"""The form of a backup: one header that everybody may read, then sealed frames. Pure.

    site-gateway backup 1\n
    {header as JSON, one line}\n
    frame, frame, ... frame       4 bytes of length (big-endian), then so many bytes

The header holds the backup's key, wrapped to the company's recovery key. A frame is
AES-256-GCM over up to ``FRAME_BYTES`` bytes; its nonce is its number and whether it is the last
(the STREAM construction: Hoang, Reyhanitabar, Rogaway, Vizar 2015), and the header's SHA-256
is bound to each. So frames can be neither changed, exchanged, left out nor cut off at the
end without being noticed. The key is drawn for one backup, so numbers may serve as nonces.

Inside lies a tar archive (POSIX.1-2001), so that standard tools read it once it is open.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.identity.secret import Secret
from gateway.model.errors import OperatorFaultError

MAGIC: Final = b"site-gateway backup 1\n"
FRAME_BYTES: Final = 262_144
HEADER_BYTES_MAX: Final = 16_384
PURPOSE: Final = "site-backup"
"""What the wrapped key is for; backups outlive releases, so it is spelled for ever."""

_LENGTH: Final = struct.Struct(">I")
_TAG_BYTES: Final = 16
_NUMBERS: Final = 2**32


class BackupError(OperatorFaultError):
    """A backup cannot be used; the message says whether file, key or content is wrong."""


class BrokenFrameError(BackupError):
    """A frame was changed, exchanged or cut."""

    def __init__(self, number: int) -> None:
        super().__init__(f"frame {number} of the backup was changed or cut: fetch another copy")


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What everybody may see of a backup."""

    site: Annotated[str, msgspec.Meta(max_length=63)]
    created_ms: int
    """Unix time, by the gateway's wall clock."""
    program: Annotated[str, msgspec.Meta(max_length=64)]
    """The release that made it."""
    recipient: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """Which recovery key opens it: SHA-256 of its SubjectPublicKeyInfo, hexadecimal."""
    key: bytes
    """The envelope of ``identity/recovery.py`` with this backup's key."""


def frames(header: Header, key: Secret, content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a backup with ``content``, piece by piece."""
    line = msgspec.json.encode(header)
    yield MAGIC + line + b"\n"
    cipher, bound = AESGCM(key.reveal()), hashlib.sha256(line).digest()

    def frame(number: int, piece: bytes, *, last: bool) -> bytes:
        sealed = cipher.encrypt(_nonce(number, last=last), piece, bound)
        return _LENGTH.pack(len(sealed)) + sealed

    number, gathered = 0, bytearray()
    for piece in content:
        gathered += piece
        while len(gathered) > FRAME_BYTES:  # the last frame is never empty but in an empty backup
            yield frame(number, bytes(gathered[:FRAME_BYTES]), last=False)
            del gathered[:FRAME_BYTES]
            number += 1
    yield frame(number, bytes(gathered), last=True)


def read_header(read: Callable[[int], bytes]) -> tuple[Header, bytes]:
    """Return the header and its line; ``read(n)`` gives the next ``n`` bytes, fewer at the end.

    Raises:
        BackupError: this is no backup of a version that this program knows.
    """
    if read(len(MAGIC)) != MAGIC:
        msg = "this is no backup of version 1 of a site gateway"
        raise BackupError(msg)
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = read(1)
        if not byte or len(line) >= HEADER_BYTES_MAX:
            msg = "the backup's header is cut or too long: fetch another copy"
            raise BackupError(msg)
        line += byte
    try:
        return msgspec.json.decode(line, type=Header), bytes(line[:-1])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        msg = f"the backup's header cannot be read: {error}"
        raise BackupError(msg) from error


class Opened:
    """The content of a backup, opened frame by frame. ``read`` serves as a file for tarfile."""

    def __init__(self, read: Callable[[int], bytes], line: bytes, key: Secret) -> None:
        """Read frames with ``read``; ``line`` is the header as it was read."""
        self._read = read
        self._cipher = AESGCM(key.reveal())
        self._bound = hashlib.sha256(line).digest()
        self._number = 0
        self._left = b""
        self._ended = False

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end.

        Raises:
            BackupError: a frame was changed, exchanged, left out or cut.
        """
        pieces: list[bytes] = []
        wanted = size
        while wanted and (self._left or not self._ended):
            if not self._left:
                self._left = self._frame()
            pieces.append(self._left[:wanted])
            self._left = self._left[wanted:]
            wanted -= len(pieces[-1])
        return b"".join(pieces)

    def finish(self) -> None:
        """Read to the end: only then is it sure that nothing was cut off.

        Raises:
            BackupError: as ``read``, or something follows the last frame.
        """
        while self.read(FRAME_BYTES):
            pass
        if self._read(1):
            msg = "something follows the end of the backup: fetch another copy"
            raise BackupError(msg)

    def _frame(self) -> bytes:
        head = self._read(_LENGTH.size)
        size = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else -1
        if not _TAG_BYTES <= size <= FRAME_BYTES + _TAG_BYTES:
            raise BrokenFrameError(self._number)
        sealed = self._read(size)
        if len(sealed) != size or self._number >= _NUMBERS:
            raise BrokenFrameError(self._number)
        for last in (False, True):
            try:
                opened = self._cipher.decrypt(_nonce(self._number, last=last), sealed, self._bound)
            except InvalidTag:
                continue
            self._ended = last
            self._number += 1
            return opened
        raise BrokenFrameError(self._number)


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes(7) + number.to_bytes(4, "big") + bytes([last])
