"""Frames are real, repeatable, held out from training, and tell where their defect is."""

import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from hil.linedevice.camera import Camera, Strip, make_dataset, texture_path


def columns(strip: Strip) -> set[int]:
    return {column for first, end in strip.value for column in range(first, end)}


def run(code: str, first_path: object = "") -> str:
    search = f"import sys; sys.path[:0] = [{str(first_path)!r}]" if first_path else ""
    child = subprocess.run(
        [sys.executable, "-c", f"{search}\n{code}"], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_training_and_live_frames_share_no_pixel_of_the_wall():
    assert not columns(Strip.TRAIN) & columns(Strip.HELD_OUT)
    assert columns(Strip.TRAIN) | columns(Strip.HELD_OUT) <= set(range(512))


@pytest.mark.parametrize("tilt_deg", [0.0, 8.0])
@pytest.mark.parametrize(("trained_on", "elsewhere"), [(0, 255), (255, 0)])
def test_a_training_frame_shows_its_own_strip_from_edge_to_edge(
    tmp_path, tilt_deg, trained_on, elsewhere
):
    wall = np.full((512, 512), elsewhere, np.uint8)
    wall[:, sorted(columns(Strip.TRAIN))] = trained_on
    package = tmp_path / "skimage"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    Image.fromarray(wall).save(package / "data" / "brick.png")
    code = f"""
from hil.linedevice.camera import Strip, make_dataset
data = make_dataset(Strip.TRAIN, 200, seed=1, tilt_deg={tilt_deg})
good = data.images[~data.defective]
print(good.min(), good.max())
"""
    darkest, brightest = map(int, run(code, first_path=tmp_path).split())
    assert darkest > 0.8 * trained_on - 30  # the light, and the noise of the sensor
    assert brightest < trained_on + 30


def test_live_frames_are_crops_of_the_photograph():
    with Image.open(texture_path()) as picture:
        wall = np.array(picture.convert("L"), dtype=np.float64)[:, 192:320]
    frame = Camera(seed=4, defect_share=0).capture().pixels.astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(wall, (96, 96))[:, :, ::8, ::8]
    seen = frame[::8, ::8].ravel()
    likeness = [np.corrcoef(window, seen)[0, 1] for window in windows.reshape(-1, seen.size)]
    assert max(likeness) > 0.95


def test_the_same_seed_gives_the_same_frames_and_another_gives_others():
    first, again, other = (
        [frame.pixels for frame in islice(Camera(seed=seed, defect_share=0.5), 20)]
        for seed in (7, 7, 8)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_frames_are_96_by_96_grey_bytes():
    pixels = Camera(seed=1).capture().pixels
    assert pixels.shape == (96, 96)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize(("share", "least", "most"), [(0, 0, 0), (0.25, 65, 135), (1, 400, 400)])
def test_the_share_of_defects_is_the_one_asked_for(share, least, most):
    frames = list(islice(Camera(seed=2, defect_share=share), 400))
    assert least <= sum(frame.defect is not None for frame in frames) <= most


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_no_probability_is_refused(share):
    with pytest.raises(ValueError, match=r"defect_share: need a probability from 0 to 1, have"):
        Camera(seed=1, defect_share=share)


def test_the_box_of_a_defect_lies_in_the_frame_and_around_what_was_painted():
    # Same seed, so the same crop; the first draw after it decides on the defect.
    for seed in range(60):
        good = Camera(seed=seed, defect_share=0).capture()
        bad = Camera(seed=seed, defect_share=1).capture()
        box = bad.defect
        assert box is not None
        assert good.defect is None
        assert 0 <= box.left < box.right <= 96
        assert 0 <= box.top < box.bottom <= 96
        # Light differs between the two, so compare each pixel's share of its frame's median.
        ratio = bad.pixels / np.median(bad.pixels) - good.pixels / np.median(good.pixels)
        inside = np.abs(ratio[box.top : box.bottom, box.left : box.right]).max()
        ratio[box.top : box.bottom, box.left : box.right] = 0
        assert inside > 2 * np.abs(ratio).mean()


def test_a_dataset_is_about_half_defective_and_comes_from_its_seed():
    data = make_dataset(Strip.TRAIN, 200, seed=5)
    again = make_dataset(Strip.TRAIN, 200, seed=5)
    assert data.images.shape == (200, 96, 96)
    assert 70 <= data.defective.sum() <= 130
    assert np.array_equal(data.images, again.images)


def test_the_camera_finds_the_picture_without_importing_scikit_image():
    code = "from hil.linedevice.camera import Camera; Camera(seed=1).capture(); import sys"
    assert run(f"{code}; print([name for name in sys.modules if 'skimage' in name])") == "[]\n"


def test_a_missing_picture_is_named_with_what_to_install(tmp_path):
    (tmp_path / "skimage").mkdir()
    (tmp_path / "skimage" / "__init__.py").touch()
    code = """
from hil.linedevice.camera import Camera, MissingTextureError
try:
    Camera(seed=1).capture()
except MissingTextureError as error:
    print(error)
"""
    assert "brick.png of scikit-image, is missing: install the extra 'hil'" in run(code, tmp_path)
