"""The committed model is the one on its card, and as good as the card says."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml

from hil.linedevice.camera import Box, Camera, Frame, Strip, texture_path
from hil.linedevice.vision import CROP_SIDE_PX, Finding, Inspector
from hil.models.quality import Quality, share_held

FOLDER = Path(__file__).parents[3] / "hil" / "models" / "surface-defects"
CARD = yaml.safe_load((FOLDER / "card.yaml").read_text())
MODEL = (FOLDER / "model.onnx").read_bytes()


def judge(frames: list[Frame]) -> list[Finding]:
    inspector = Inspector(MODEL)
    return [inspector.inspect(frame.pixels) for frame in frames]


def shoot(seed: int, frames: int, defect_share: float = 0.5) -> list[Frame]:
    camera = Camera(seed=seed, defect_share=defect_share)
    return [camera.capture() for _ in range(frames)]


def test_the_card_names_these_very_bytes():
    artifact = CARD["artifact"]
    assert artifact["bytes"] == len(MODEL)
    assert artifact["sha256"] == hashlib.sha256(MODEL).hexdigest()
    assert Inspector(MODEL).model == f"{CARD['name']}@{CARD['version']}"


def test_the_card_names_the_picture_that_the_camera_cuts():
    picture = texture_path().read_bytes()
    assert CARD["data"]["picture_sha256"] == hashlib.sha256(picture).hexdigest()


def test_the_card_names_the_strips_of_the_camera():
    assert CARD["split"]["train_columns"] == [list(piece) for piece in Strip.TRAIN.value]
    assert CARD["split"]["held_out_columns"] == [list(piece) for piece in Strip.HELD_OUT.value]


def test_the_held_out_frames_give_what_the_card_says():
    frames = shoot(CARD["split"]["held_out_seed"], CARD["split"]["held_out_frames"])
    quality = Quality.of(frames, judge(frames))
    assert quality.accuracy >= 0.97
    for name, value in CARD["quality"].items():
        # Another processor rounds INT8 sums elsewhere: a few frames at the edge may flip.
        assert getattr(quality, name) == pytest.approx(value, abs=0.01), name


def test_held_out_frames_that_no_choice_was_made_on_are_told_apart_as_well():
    frames = shoot(seed=20_260_101, frames=600)
    assert Quality.of(frames, judge(frames)).accuracy >= 0.97


def test_the_crop_of_a_detected_defect_shows_it():
    frames = shoot(seed=31, frames=400, defect_share=1)
    seen = [(frame.defect, found.crop) for frame, found in zip(frames, judge(frames), strict=True)]
    detected = [(defect, crop) for defect, crop in seen if defect and crop]
    assert len(detected) >= 380
    holds = [share_held(defect, crop) >= 0.9 for defect, crop in detected]
    assert np.mean(holds) >= 0.8
    # A crop of this size that ignores the picture does worse, so the number means something.
    first = (96 - CROP_SIDE_PX) // 2
    blind = Box(first, first, first + CROP_SIDE_PX, first + CROP_SIDE_PX)
    assert np.mean([share_held(defect, blind) >= 0.9 for defect, _ in detected]) <= 0.5


def test_golden_inputs_give_the_golden_outputs():
    with np.load(FOLDER / "golden.npz", allow_pickle=False) as golden:
        inputs, outputs, evidence = golden["inputs"], golden["outputs"], golden["evidence"]
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    assert [port.name for port in session.get_outputs()] == ["defect_probability", "evidence"]
    have_outputs, have_evidence = session.run(None, {"image": inputs})
    assert len(inputs) >= 8
    assert outputs.min() < 0.1, "no golden case is good"
    assert outputs.max() > 0.9, "no golden case is defective"
    np.testing.assert_allclose(have_outputs, outputs, atol=0.05)
    np.testing.assert_allclose(have_evidence, evidence, atol=0.5)


def test_what_is_committed_stays_small():
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("*.[no]*[xz]")}
    assert sizes.keys() == {"model.onnx", "golden.npz"}
    assert sum(sizes.values()) < 400_000


def test_the_training_lock_pins_every_package_by_hash_and_names_no_address():
    lock = (FOLDER / "requirements.lock").read_text()
    asked = [
        line.split("#")[0].split(">=")[0].strip()
        for line in (FOLDER / "requirements.in").read_text().splitlines()
    ]
    for package in filter(None, asked):
        assert f"\n{package}==" in f"\n{lock}"
    pins = [line for line in lock.splitlines() if "==" in line]
    assert lock.count("    --hash=sha256:") >= len(pins)
    assert "://" not in lock
