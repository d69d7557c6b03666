"""Pictures of a camera that looks at a line: whole frames, parts of them, and bytes in letters."""

import base64
import io
from functools import cache

from PIL import Image as Pillow

from gateway.model.telemetry import Image

FRAME = (640, 480)
PART = (96, 96)


@cache
def picture(size: tuple[int, int] = PART, form: str = "PNG") -> bytes:
    """A picture of ``size`` pixels with something on it."""
    out = io.BytesIO()
    noise = Pillow.effect_noise(size, 60).point([value // 32 * 32 for value in range(256)])
    noise.save(out, form)
    return out.getvalue()


def png(size: tuple[int, int] = PART) -> Image:
    """The same as a device sends it."""
    return Image("image/png", picture(size))


def jpeg(size: tuple[int, int] = PART) -> Image:
    """The same as a JPEG."""
    return Image("image/jpeg", picture(size, "JPEG"))


def letters(size: tuple[int, int] = FRAME, chars: int = 900, at: int = 0) -> str:
    """A piece of a frame in base64, from anywhere in it."""
    return base64.b64encode(picture(size, "JPEG")).decode()[at : at + chars]
