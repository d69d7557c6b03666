"""A camera over a brick wall: real frames, with defects whose place is known.

The surface is scikit-image's brick texture, a photograph that the package ships in its
data folder. A frame is a crop of it with lighting and sensor noise; a defective one has
a scratch or a blob painted on. So the pictures are real and the defects are synthetic,
and each frame can say what is true about it, which no factory camera can.

Rules:
- The wall is cut into strips that share no pixel. A model learns from one; live frames
  and accuracy come from the other.
- The same seed gives the same frames, under the same numpy and Pillow.
- scikit-image is found but never imported: its import takes longer than a device's start.
"""

import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FRAME_SIDE_PX: Final = 96
WALL_SIDE_PX: Final = 512
ZOOMS: Final = (0.85, 1.15)
VISIBLE_COVER: Final = 0.3
"""Share of a blob in a pixel from which on the pixel belongs to its box."""

Pixels = NDArray[np.uint8]
"""Grey levels, axes (row, column)."""
Shade = NDArray[np.float32]
"""The same while it is painted and lit: may leave 0..255 until the frame is exposed."""


class MissingTextureError(Exception):
    """The picture of the wall is not installed, or is not the one that is cut here."""


class Strip(Enum):
    """Columns of the wall, first and end of each piece, for one purpose.

    The photograph is taken at an angle: bricks lean one way at its left edge and the other
    way at its right. The held-out piece lies between the two that train, so every lean in it
    has been seen, and none of its bricks. 16 columns on either side of it stay unused.
    """

    TRAIN = ((0, 176), (336, WALL_SIDE_PX))
    HELD_OUT = ((192, 320),)


class Box(NamedTuple):
    """A rectangle in pixels of a frame; ``right`` and ``bottom`` are the first outside it."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What the camera saw, (96, 96), and the truth: where the defect is, if there is one."""

    pixels: Pixels
    defect: Box | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Frames of one strip, for training or measuring."""

    images: NDArray[np.uint8]
    """Axes (frame, row, column)."""
    defective: NDArray[np.bool_]
    """One truth a frame."""


class Camera:
    """Yields frames of the held-out strip, without end.

    ``defect_share`` (0 to 1) is the probability that a frame is defective.
    """

    def __init__(self, *, seed: int, defect_share: float = 0.1) -> None:
        if not 0 <= defect_share <= 1:
            msg = f"defect_share: need a probability from 0 to 1, have {defect_share}"
            raise ValueError(msg)
        self._rng = np.random.default_rng(seed)
        self._defect_share = defect_share

    def capture(self) -> Frame:
        """Return the next frame at once: the pace of the line is the caller's.

        Raises:
            MissingTextureError: scikit-image is not installed. Only the first call can.
        """
        return _expose(Strip.HELD_OUT, self._rng, self._defect_share)

    def __iter__(self) -> Iterator[Frame]:
        while True:
            yield self.capture()


def make_dataset(strip: Strip, frames: int, *, seed: int, tilt_deg: float = 0) -> Dataset:
    """Return ``frames`` frames of ``strip``, about half of them defective.

    With ``tilt_deg`` (below 12) each is turned by up to that angle either way and zoomed by
    up to 15 %, as if every camera hung a little differently. No pixel leaves its strip.
    """
    rng = np.random.default_rng(seed)
    shots = [_expose(strip, rng, 0.5, tilt_deg) for _ in range(frames)]
    return Dataset(
        images=np.stack([shot.pixels for shot in shots]),
        defective=np.array([shot.defect is not None for shot in shots]),
    )


def texture_path() -> Path:
    """Return the file of the brick texture inside the installed scikit-image.

    Raises:
        MissingTextureError: scikit-image is not installed, or does not ship the file.
    """
    package = importlib.util.find_spec("skimage")
    origin = package.origin if package else None
    path = Path(origin).parent / "data" / "brick.png" if origin else None
    if path is None or not path.is_file():
        msg = "the camera's surface, brick.png of scikit-image, is missing: install the extra 'hil'"
        raise MissingTextureError(msg)
    return path


@functools.cache
def _pieces(strip: Strip) -> tuple[Pixels, ...]:
    """Return the columns of one strip alone: what is cut from them cannot reach the other."""
    with Image.open(texture_path()) as picture:
        wall = np.array(picture.convert("L"))
    if wall.shape != (WALL_SIDE_PX, WALL_SIDE_PX):
        msg = f"{texture_path()}: need 512 x 512 pixels, have {wall.shape}"
        raise MissingTextureError(msg)
    wall.flags.writeable = False  # all cameras of a process share it
    return tuple(wall[:, first:end] for first, end in strip.value)


def _expose(
    strip: Strip, rng: np.random.Generator, defect_share: float, tilt_deg: float = 0
) -> Frame:
    """Cut a crop, perhaps damage it, then light it: a defect is lit like the wall around it."""
    pieces = _pieces(strip)
    piece = pieces[rng.integers(len(pieces))]
    crop = _cut_tilted(piece, rng, tilt_deg) if tilt_deg else _cut(piece, rng)
    box = None
    if rng.random() < defect_share:
        box = _scratch(crop, rng) if rng.integers(2) else _blob(crop, rng)
    crop *= rng.uniform(0.8, 1.2)
    crop += rng.normal(0, 3, crop.shape)
    return Frame(np.clip(crop, 0, 255).astype(np.uint8), box)


def _cut(piece: Pixels, rng: np.random.Generator) -> Shade:
    top, left = (int(rng.integers(0, side - FRAME_SIDE_PX, endpoint=True)) for side in piece.shape)
    return piece[top : top + FRAME_SIDE_PX, left : left + FRAME_SIDE_PX].astype(np.float32)


def _cut_tilted(piece: Pixels, rng: np.random.Generator, tilt_deg: float) -> Shade:
    angle, zoom = np.radians(rng.uniform(-tilt_deg, tilt_deg)), rng.uniform(*ZOOMS)
    a, b = zoom * np.cos(angle), zoom * np.sin(angle)
    half = FRAME_SIDE_PX / 2
    reach = half * (abs(a) + abs(b)) + 1  # along each axis, from the centre to a corner
    y0, x0 = (rng.uniform(reach, side - reach) for side in piece.shape)
    matrix = (a, -b, x0 - half * (a - b), b, a, y0 - half * (a + b))
    size = (FRAME_SIDE_PX, FRAME_SIDE_PX)
    cut = Image.fromarray(piece).transform(
        size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    return np.array(cut, dtype=np.float32)


def _scratch(crop: Shade, rng: np.random.Generator) -> Box:
    """Draw a wavy line, two pixels wide, 45 to 90 grey levels off the mean of what it crosses."""
    angle, length = rng.uniform(0, np.pi), rng.integers(25, 70)
    x0, y0 = rng.integers(20, FRAME_SIDE_PX - 20, 2)
    along = np.linspace(-length / 2, length / 2, 4 * length)
    x = (x0 + along * np.cos(angle) + 3 * np.sin(along / 9)).astype(int)
    y = (y0 + along * np.sin(angle)).astype(int)
    inside = (x >= 0) & (x < FRAME_SIDE_PX - 1) & (y >= 0) & (y < FRAME_SIDE_PX)
    mask = np.zeros(crop.shape, dtype=bool)
    mask[y[inside], x[inside]] = mask[y[inside], x[inside] + 1] = True
    crop[mask] = crop[mask].mean() + rng.choice([-1, 1]) * rng.uniform(45, 90)
    return _bounds(mask)


def _blob(crop: Shade, rng: np.random.Generator) -> Box:
    """Blend in a dark or a bright spot with soft edges; its box ends where it hardly shows."""
    x0, y0 = rng.integers(15, FRAME_SIDE_PX - 15, 2)
    radius = rng.uniform(5, 11)
    y, x = np.ogrid[:FRAME_SIDE_PX, :FRAME_SIDE_PX]
    cover = 0.8 * np.exp(-((((x - x0) ** 2 + (y - y0) ** 2) / radius**2) ** 2))
    crop[:] = crop * (1 - cover) + cover * rng.choice([30, 215])
    return _bounds(cover > VISIBLE_COVER)


def _bounds(mask: NDArray[np.bool_]) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
