"""A backup opens whole with its key, and says so when a single byte is not as it was made."""

import io
import os

import pytest

from gateway.identity.archive import (
    FRAME_BYTES,
    HEADER_BYTES_MAX,
    MAGIC,
    BackupError,
    BrokenFrameError,
    Header,
    Opened,
    frames,
    read_header,
)
from gateway.identity.secret import Secret

HEADER = Header("plant-a", 5, "1.0", "0" * 64, b"envelope")
KEY = Secret(bytes(range(32)))


def made(content: bytes, header: Header = HEADER) -> bytes:
    return b"".join(frames(header, KEY, [content]))


def opened(backup: bytes, key: Secret = KEY) -> bytes:
    file = io.BytesIO(backup)
    _, line = read_header(file.read)
    archive = Opened(file.read, line, key)
    content = archive.read(len(backup))
    archive.finish()
    return content


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 700_000])
def test_what_was_sealed_comes_out_whatever_its_size(size: int):
    content = os.urandom(size)
    assert opened(made(content)) == content


def test_content_that_comes_in_pieces_makes_the_same_frames():
    content = os.urandom(600_000)
    pieces = [content[at : at + 7_001] for at in range(0, len(content), 7_001)]
    assert b"".join(frames(HEADER, KEY, pieces)) == made(content)


def test_a_piece_at_a_time_is_held_in_memory():
    content = (bytes(FRAME_BYTES) for _ in range(3))
    assert max(len(piece) for piece in frames(HEADER, KEY, content)) < FRAME_BYTES + 100


def test_a_read_gives_as_much_as_was_asked_for_over_the_seams_of_frames():
    content = os.urandom(FRAME_BYTES + 50)
    file = io.BytesIO(made(content))
    _, line = read_header(file.read)
    archive = Opened(file.read, line, KEY)
    assert archive.read(FRAME_BYTES - 10) == content[: FRAME_BYTES - 10]
    assert archive.read(20) == content[FRAME_BYTES - 10 : FRAME_BYTES + 10]


@pytest.mark.parametrize("at", [-1, -17, -100, -FRAME_BYTES])
def test_a_changed_byte_is_noticed(at: int):
    backup = bytearray(made(os.urandom(2 * FRAME_BYTES)))
    backup[at] ^= 1
    with pytest.raises(BrokenFrameError, match=r"frame \d of the backup was changed or cut"):
        opened(bytes(backup))


def test_a_header_that_was_changed_opens_nothing():
    backup = made(b"x").replace(b"plant-a", b"plant-b")
    with pytest.raises(BrokenFrameError):
        opened(backup)


def test_frames_can_be_neither_exchanged_nor_left_out():
    content = os.urandom(3 * FRAME_BYTES)
    first, *rest = frames(HEADER, KEY, [content])
    assert len(rest) == 3
    for order in ((1, 0, 2), (0, 2), (0, 0, 1, 2)):
        with pytest.raises(BrokenFrameError):
            opened(first + b"".join(rest[number] for number in order))


def test_a_backup_that_was_cut_between_two_frames_is_noticed():
    first, *rest = frames(HEADER, KEY, [os.urandom(3 * FRAME_BYTES)])
    with pytest.raises(BrokenFrameError, match="frame 2"):
        opened(first + b"".join(rest[:2]))


def test_a_backup_that_was_cut_inside_a_frame_is_noticed():
    with pytest.raises(BrokenFrameError):
        opened(made(b"hello")[:-3])


def test_what_follows_the_end_is_noticed():
    with pytest.raises(BackupError, match="something follows the end"):
        opened(made(b"hello") + b"x")


def test_another_key_opens_nothing():
    with pytest.raises(BrokenFrameError):
        opened(made(b"hello"), Secret(bytes(32)))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04 no backup of ours", "no backup of version 1"),
        (b"", "no backup of version 1"),
        (MAGIC, "cut or too long"),
        (MAGIC + b"{}" + b" " * HEADER_BYTES_MAX, "cut or too long"),
        (MAGIC + b"{}\n", "cannot be read"),
        (MAGIC + b"\xff\n", "cannot be read"),
    ],
)
def test_what_is_no_backup_is_told_in_words(content: bytes, what: str):
    with pytest.raises(BackupError, match=what):
        read_header(io.BytesIO(content).read)
