"""What is taken for a frame of the camera feed, and what is not."""

import base64
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.contract import CameraRule
from gateway.model.frame import (
    UNREADABLE_BYTES_MAX,
    Frame,
    frame_in,
    holds_picture,
    is_picture,
    pixels,
    spelled_in,
)
from gateway.model.telemetry import Image
from tests.support.camera import FRAME, PART, jpeg, letters, picture, png

VGA = CameraRule()  # 640 by 480 pixels, of which a quarter may be shown


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(1, 1), (24, 16), FRAME])
def test_the_size_of_a_picture_is_read_from_its_header(size: tuple[int, int], form: str):
    assert pixels(picture(size, form)) == size[0] * size[1]


@pytest.mark.parametrize("image", [png(FRAME), jpeg(FRAME)], ids=["png", "jpeg"])
def test_a_whole_frame_is_one(image: Image):
    assert frame_in(VGA, [image]) in {Frame.TOO_LARGE, Frame.FREIGHT}


@pytest.mark.parametrize("image", [png(PART), jpeg(PART)], ids=["png", "jpeg"])
def test_a_part_of_a_frame_is_none(image: Image):
    assert frame_in(VGA, [image]) is None


def test_the_share_of_a_frame_that_may_be_shown_is_the_contract_s():
    half = [png((320, 480))]
    assert frame_in(CameraRule(picture_share_max=0.5), half) is None
    assert frame_in(CameraRule(picture_share_max=0.49), half) is Frame.TOO_LARGE
    assert frame_in(CameraRule(frame_pixels=1920 * 1080), half) is None


def test_a_frame_that_is_cut_into_tiles_is_a_frame():
    tiles = [png((160, 160))] * 12
    assert frame_in(VGA, tiles[:3]) is None
    assert frame_in(VGA, tiles) is Frame.TOO_LARGE


def test_bytes_behind_a_small_header_are_taken_for_a_frame():
    small = picture((16, 16))
    assert frame_in(VGA, [Image("image/png", small + picture(FRAME, "JPEG"))]) is Frame.FREIGHT
    lying = small[:16] + struct.pack(">II", 4, 4) + picture(FRAME)[24:]
    assert frame_in(VGA, [Image("image/png", lying)]) is Frame.FREIGHT


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", bytes(UNREADABLE_BYTES_MAX), b"\xff\xd8\xff\xda"], ids=repr
)
def test_a_scrap_that_cannot_be_read_is_too_small_to_be_a_frame(data: bytes):
    assert pixels(data) is None
    assert frame_in(VGA, [Image("image/png", data)]) is None


@pytest.mark.parametrize(
    "data",
    [bytes(UNREADABLE_BYTES_MAX + 1), b"\xff\xd8\xff" + bytes(9_000), b"RIFF" + bytes(9_000)],
    ids=["zeros", "jpeg", "webp"],
)
def test_bytes_that_cannot_be_read_are_taken_for_a_frame(data: bytes):
    assert frame_in(VGA, [Image("image/jpeg", data)]) is Frame.UNREADABLE


def test_a_header_without_end_is_not_read_to_its_end():
    """Each segment takes time on the loop that answers alerts."""
    segment = b"\xff\xe0\x00\x02"
    size = jpeg(PART).data[2:]  # with the header that states it
    assert pixels(b"\xff\xd8" + 100 * segment + size) == PART[0] * PART[1]
    assert pixels(b"\xff\xd8" + 60_000 * segment + size) is None
    assert pixels(b"\xff\xd8" + 60_000 * b"\xff" + size) is None


@given(st.binary(max_size=400))
def test_any_bytes_have_a_size_or_none(data: bytes):
    for head in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"):
        found = pixels(head + data)
        assert found is None or found > 0


@pytest.mark.parametrize("at", [0, 301, 2_000])
def test_a_piece_of_a_frame_in_base64_is_found(at: int):
    assert spelled_in([letters(at=at)])
    assert spelled_in(["frame 3 of 9: " + letters(chars=200, at=at) + " end"])


@pytest.mark.parametrize("at", range(0, 3_000, 37))
def test_a_piece_is_found_wherever_it_was_cut(at: int):
    assert spelled_in([letters(chars=200, at=at)])
    assert spelled_in([letters(chars=64, at=at + 64 * n) for n in range(12)])


def test_a_frame_that_is_spread_over_many_short_texts_is_found():
    pieces = [letters(chars=60, at=60 * n) for n in range(1, 30)]
    assert not spelled_in(pieces[:3])
    assert spelled_in(pieces)


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64,AAAA" + "A" * 20,
        "see " + base64.b64encode(picture((8, 8))).decode(),
        picture(PART).hex(),
        picture(PART, "JPEG").hex().upper(),
        picture(FRAME, "JPEG")[900:1_400].hex(),
        picture(PART).decode("latin-1"),
        picture(FRAME, "JPEG")[900:1_400].decode("latin-1"),
        ",".join(str(n % 256) for n in range(100)),
        "; ".join(str(n % 256) for n in range(100)),
    ],
    ids=["url", "png", "hex", "HEX", "hex-piece", "latin", "latin-piece", "list", "spaced-list"],
)
def test_a_picture_in_other_letters_is_found(text: str):
    assert spelled_in([text])


@pytest.mark.parametrize(
    "text",
    [
        "lens dirty",
        'File "/usr/lib/python3/dist-packages/OrderProcessing/V2/camera_loop.py", line 42, in run',
        "sha256 " + "0123456789abcdef" * 4 + " of the model differs from " + "f" * 64,
        "/var/lib/agent/Models/SurfaceDefects/V12/Weights/Layer9/" * 5,
        "/opt/Line7/V2/bin/agent --config=/etc/Agent9/main.toml --mode=Inspect_Surface_V2 " * 4,
        "temperature 41.5 C, 42.0 C, 43.1 C; fan 1200, 1300, 1400 rpm; retry in 30 s",
        "Übertemperatur an Förderband Süd: Kühlung prüfen, Störung löschen, Fußschalter lösen",
        "カメラの温度が高すぎます。" * 20,
        "x" * 1_024,
        "1" * 1_024,
        "d" * 64,
    ],
)
def test_what_people_and_programs_write_into_logs_is_none(text: str):
    assert not spelled_in([text])


def test_a_log_of_many_lines_with_digests_is_none():
    digest = random.Random(3).randbytes  # noqa: S311 -- a test's own bytes
    assert not spelled_in(f"artifact {digest(32).hex()} is in the cache" for _ in range(100))


@pytest.mark.parametrize("data", [picture(), picture(form="JPEG"), b"RIFFxxxxWEBP", b"GIF89a"])
def test_a_payload_that_is_a_picture_is_told(data: bytes):
    assert is_picture(data)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"v":1}', b"\x81\xa1v\x01", b"[1]"])
def test_a_payload_that_is_a_message_is_no_picture(data: bytes):
    assert not is_picture(data)
    assert not holds_picture(data)


def test_a_picture_inside_a_payload_is_told():
    for data in (picture(), picture(form="JPEG")):
        assert holds_picture(b"\x82\xa4data" + data)
        assert holds_picture(b'{"data":"' + base64.b64encode(data))
