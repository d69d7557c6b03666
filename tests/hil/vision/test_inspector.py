"""One frame in, one finding out; what does not fit is refused with what was expected."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hil.linedevice.camera import Box, Camera
from hil.linedevice.vision import (
    Inspector,
    UnusableFrameError,
    UnusableModelError,
    locate,
)

MODEL = Path(__file__).parents[3] / "hil" / "models" / "surface-defects" / "model.onnx"


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return Inspector(MODEL.read_bytes())


def test_a_defect_comes_with_a_picture_of_it(inspector):
    frame = Camera(seed=1, defect_share=1).capture()
    found = inspector.inspect(frame.pixels)
    assert found.label == "defect"
    assert 0.5 <= found.score <= 1
    box, png = found.crop, found.crop_png
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (64, 64))
        assert np.array_equal(
            np.array(picture), frame.pixels[box.top : box.bottom, box.left : box.right]
        )


def test_a_good_frame_comes_without_a_picture(inspector):
    found = inspector.inspect(Camera(seed=1, defect_share=0).capture().pixels)
    assert (found.label, found.crop, found.crop_png) == ("ok", None, None)
    assert 0 <= found.score < 0.5


def test_each_stage_is_timed(inspector):
    stages = inspector.inspect(Camera(seed=1, defect_share=1).capture().pixels).stages_ms
    assert list(stages) == ["pre", "infer", "post"]
    assert all(ms > 0 for ms in stages.values())


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((96, 95), np.uint8),
        np.zeros((1, 96, 96), np.uint8),
        np.zeros((96, 96, 3), np.uint8),
        np.zeros((96, 96), np.float32),
        np.zeros((0, 0), np.uint8),
    ],
    ids=lambda frame: f"{frame.shape} {frame.dtype}",
)
def test_a_frame_of_another_shape_or_type_is_refused(inspector, frame):
    with pytest.raises(UnusableFrameError) as refusal:
        inspector.inspect(frame)
    assert str(refusal.value) == (
        f"need a frame of (96, 96) uint8, have {frame.shape} {frame.dtype}: "
        "set the camera to 96 x 96 grey"
    )


@pytest.mark.parametrize("model", [b"", b"no model at all", MODEL.read_bytes()[:-5000]])
def test_bytes_that_are_no_model_are_refused(model):
    with pytest.raises(UnusableModelError, match=rf"model of {len(model)} bytes does not load"):
        Inspector(model)


def test_a_model_with_another_output_is_refused():
    renamed = MODEL.read_bytes().replace(b"defect_probability", b"defect_likelihood_")
    with pytest.raises(UnusableModelError, match=r"need .*defect_probability.*have .*likelihood_"):
        Inspector(renamed)


def test_the_crop_is_centred_on_the_evidence():
    evidence = np.zeros((6, 6), np.float32)
    evidence[3, 2] = 5
    assert locate(evidence) == Box(0, 16, 64, 80)


def test_the_crop_stays_in_the_frame():
    evidence = np.zeros((6, 6), np.float32)
    evidence[5, 5] = 5
    assert locate(evidence) == Box(32, 32, 96, 96)


def test_evidence_against_a_defect_moves_nothing():
    evidence = np.zeros((6, 6), np.float32)
    evidence[3, 2], evidence[0, 0] = 5, -50
    assert locate(evidence) == Box(0, 16, 64, 80)
    assert locate(np.full((6, 6), -1, np.float32)) == Box(16, 16, 80, 80)
