"""The PNG reader: what leaves is pixels, and hostile bytes get a named reason."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from gateway.model.contract import AlertRule
from gateway.model.telemetry import Image
from gateway.privacy.picture import SIGNATURE, PictureKept, release

OPEN = AlertRule(picture_leaves=True)


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def header(**changes: int) -> bytes:
    plain = {"width": 2, "height": 2, "depth": 8, "colour": 0}
    methods = {"compression": 0, "filtering": 0, "interlace": 0}
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *{**plain, **methods, **changes}.values()))


PIXELS = zlib.compress(b"\0ab\0cd")
IDAT = chunk(b"IDAT", PIXELS)
IEND = chunk(b"IEND")
PLTE = chunk(b"PLTE", bytes(6))
TEXT = chunk(b"tEXt", b"Author\0cam-01")
PLAIN = SIGNATURE + header() + IDAT + IEND


def png(data: bytes, rule: AlertRule = OPEN) -> bytes | PictureKept:
    return release(Image(type="image/png", data=data), rule)


def real_picture(mode: str) -> Pillow.Image:
    return Pillow.linear_gradient("L").resize((24, 16)).convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_a_real_picture_keeps_its_pixels_and_loses_its_metadata(mode):
    text = PngInfo()
    text.add_text("Author", "cam-01 at press 7")
    text.add_itxt("Location", "hall 3", zip=True)
    original = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x010F] = "serial 4711"
    real_picture(mode).save(original, "PNG", pnginfo=text, exif=exif, dpi=(300, 300))
    assert b"cam-01" in original.getvalue()

    left = png(original.getvalue())

    assert isinstance(left, bytes)
    with Pillow.open(io.BytesIO(left)) as shown, Pillow.open(original) as sent:
        assert shown.tobytes() == sent.tobytes()
        assert shown.size == (24, 16)
        assert not shown.info
        assert not shown.getexif()
    assert b"cam-01" not in left
    assert b"4711" not in left


def test_how_a_device_cuts_its_pixel_data_does_not_leave():
    pieces = b"".join(chunk(b"IDAT", PIXELS[i : i + 1]) for i in range(len(PIXELS)))
    marked = SIGNATURE + header() + pieces + chunk(b"IDAT") + IEND
    assert png(marked) == PLAIN


def test_a_picture_without_metadata_leaves_as_it_is():
    assert png(PLAIN) == PLAIN


def test_what_comes_out_goes_in_again_unchanged():
    once = png(SIGNATURE + header() + TEXT + IDAT + TEXT + IEND)
    assert isinstance(once, bytes)
    assert png(once) == once == PLAIN


def test_a_picture_stays_where_the_contract_does_not_opt_in():
    assert png(PLAIN, AlertRule()) is PictureKept.CONTRACT


def test_a_jpeg_stays_even_where_pictures_leave():
    image = Image(type="image/jpeg", data=b"\xff\xd8\xff\xe0")
    assert release(image, OPEN) is PictureKept.JPEG


def test_a_jpeg_that_calls_itself_png_stays():
    assert png(b"\xff\xd8\xff\xe0" + bytes(100)) is PictureKept.MALFORMED


def test_the_size_bound_comes_before_any_reading():
    rule = AlertRule(picture_leaves=True, picture_max_bytes=10)
    assert png(b"nonsense that is longer than ten bytes", rule) is PictureKept.TOO_LARGE
    assert png(PLAIN[:10], rule) is PictureKept.MALFORMED


def test_the_pixel_bound_is_exact():
    rule = AlertRule(picture_leaves=True, picture_max_pixels=12)
    assert isinstance(png(SIGNATURE + header(width=4, height=3) + IDAT + IEND, rule), bytes)
    assert (
        png(SIGNATURE + header(width=13, height=1) + IDAT + IEND, rule)
        is PictureKept.TOO_MANY_PIXELS
    )


def test_a_picture_that_claims_the_greatest_size_does_not_overflow_the_bound():
    huge = 2**31 - 1
    claims = SIGNATURE + header(width=huge, height=huge) + IDAT + IEND
    assert png(claims) is PictureKept.TOO_MANY_PIXELS


ATTACKS = {
    "nothing": b"",
    "only a signature": SIGNATURE,
    "another signature": b"\x89PNG\r\n\x1a\r" + PLAIN[8:],
    "freight after the end": PLAIN + b"freight",
    "a second picture after the end": PLAIN + PLAIN,
    "no end": PLAIN[: -len(IEND)],
    "no header": SIGNATURE + IDAT + IEND,
    "text before the header": SIGNATURE + TEXT + header() + IDAT + IEND,
    "two headers": SIGNATURE + header() + header() + IDAT + IEND,
    "a long header": SIGNATURE + chunk(b"IHDR", bytes(14)) + IDAT + IEND,
    "no pixels": SIGNATURE + header() + IEND,
    "empty pixels": SIGNATURE + header() + chunk(b"IDAT") + IEND,
    "pixels in two runs": SIGNATURE + header() + IDAT + TEXT + IDAT + IEND,
    "an end with content": SIGNATURE + header() + IDAT + chunk(b"IEND", b"x"),
    "an unknown critical chunk": SIGNATURE + header() + chunk(b"JDAT", b"x") + IDAT + IEND,
    "a chunk type with the reserved bit": SIGNATURE + header() + chunk(b"texT") + IDAT + IEND,
    "a chunk type that is no letters": SIGNATURE + header() + chunk(b"t\0Xt") + IDAT + IEND,
    "a wrong CRC in a dropped chunk": PLAIN.replace(IDAT, TEXT[:-1] + b"\0" + IDAT),
    "a wrong CRC in the pixels": PLAIN.replace(IDAT, IDAT[:-1] + b"\0"),
    "a length beyond the end": SIGNATURE + header() + b"\xff\xff\xff\xff" + IDAT[4:] + IEND,
    "no width": SIGNATURE + header(width=0) + IDAT + IEND,
    "no height": SIGNATURE + header(height=0) + IDAT + IEND,
    "a width over 31 bits": SIGNATURE + header(width=1 << 31, height=1) + IDAT + IEND,
    "a colour type that does not exist": SIGNATURE + header(colour=1) + IDAT + IEND,
    "a depth that does not exist": SIGNATURE + header(depth=3) + IDAT + IEND,
    "another compression": SIGNATURE + header(compression=1) + IDAT + IEND,
    "another filter method": SIGNATURE + header(filtering=1) + IDAT + IEND,
    "another interlace method": SIGNATURE + header(interlace=2) + IDAT + IEND,
    "an indexed picture without palette": SIGNATURE + header(colour=3) + IDAT + IEND,
    "a grey picture with palette": SIGNATURE + header(colour=0) + PLTE + IDAT + IEND,
    "two palettes": SIGNATURE + header(colour=3) + PLTE + PLTE + IDAT + IEND,
    "a palette after the pixels": SIGNATURE + header(colour=3) + IDAT + PLTE + IEND,
    "an empty palette": SIGNATURE + header(colour=3) + chunk(b"PLTE") + IDAT + IEND,
    "half a palette entry": SIGNATURE + header(colour=3) + chunk(b"PLTE", b"rg") + IDAT + IEND,
    "257 palette entries": SIGNATURE + header(colour=3) + chunk(b"PLTE", bytes(771)) + IDAT + IEND,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_malformed_picture_stays(name):
    assert png(ATTACKS[name]) is PictureKept.MALFORMED


def test_the_attacks_differ_from_a_good_picture_in_what_they_name_only():
    assert isinstance(png(SIGNATURE + header(colour=3) + PLTE + IDAT + IEND), bytes)
    assert isinstance(png(SIGNATURE + header(interlace=1) + TEXT + IDAT + TEXT + IEND), bytes)


CHUNKS = st.builds(
    chunk,
    st.sampled_from([b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tEXt", b"eXIf", b"QQQQ"]),
    st.binary(max_size=20),
)
GOOD = st.sampled_from([header(), header(colour=3), PLTE, IDAT, IEND, TEXT])
NEARLY = st.lists(GOOD | CHUNKS, max_size=8).map(lambda parts: SIGNATURE + b"".join(parts))


def holds_only_pixels(left: bytes) -> bool:
    """Read the result by other means: the chunk types, in order."""
    kinds, at = [], len(SIGNATURE)
    while at < len(left):
        (size,) = struct.unpack_from(">I", left, at)
        kinds.append(left[at + 4 : at + 8])
        at += 12 + size
    return kinds in ([b"IHDR", b"IDAT", b"IEND"], [b"IHDR", b"PLTE", b"IDAT", b"IEND"])


@given(st.binary(max_size=200) | NEARLY)
def test_any_bytes_give_a_clean_picture_or_a_reason(data):
    left = png(data)
    if isinstance(left, bytes):
        assert holds_only_pixels(left)
        assert len(left) <= len(data)
    else:
        assert left in {PictureKept.MALFORMED, PictureKept.TOO_MANY_PIXELS}


@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255))
def test_no_single_damaged_byte_passes(at, flip):
    damaged = bytearray(PLAIN)
    damaged[at] ^= flip
    assert isinstance(png(bytes(damaged)), PictureKept)


@given(st.integers(0, len(PLAIN) - 1))
def test_no_shortened_picture_passes(size):
    assert png(PLAIN[:size]) is PictureKept.MALFORMED


def test_the_reasons_are_spelled_for_ever():
    assert {reason.value for reason in PictureKept} == {
        "contract",
        "too-large",
        "too-many-pixels",
        "jpeg-not-released",
        "malformed",
        "frame",
    }
