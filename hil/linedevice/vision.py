"""Looks at one frame: preprocess, inference, post-process, each with its time.

The model is a file of bytes with one input, ``image`` (n, 1, 96, 96) float32 in 0..1, and
two outputs: ``defect_probability`` (n, 1), and ``evidence`` (n, 1, 6, 6), which says for each
16 x 16 pixels of the frame how much the probability rests on them.

Rules:
- One thread, on the CPU, from bytes: a model cannot name another file to be read, and a
  device's other work keeps its cores.
- Nothing starts unless onnxruntime's telemetry is switched off (see ``hil/__init__.py``).
- A model or a frame that does not fit is refused with what was expected.
"""

import io
import os
import time
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from hil.linedevice.camera import FRAME_SIDE_PX, Box, Pixels

INPUT_NAME: Final = "image"
SCORE_NAME: Final = "defect_probability"
EVIDENCE_NAME: Final = "evidence"
CELLS: Final = 6
CELL_PX: Final = FRAME_SIDE_PX // CELLS
CROP_SIDE_PX: Final = 64
"""The longest scratch is 69 pixels; a larger crop would show the frame, not the defect."""
THRESHOLD: Final = 0.5
SHAPES: Final = {
    INPUT_NAME: [1, FRAME_SIDE_PX, FRAME_SIDE_PX],
    SCORE_NAME: [1],
    EVIDENCE_NAME: [1, CELLS, CELLS],
}
"""What a model must declare behind its batch axis."""


class TelemetryError(Exception):
    """onnxruntime may report this machine to its vendor. Start the process with the variable."""


class UnusableModelError(Exception):
    """These bytes are not a model that this device can run. Whoever deployed it must act."""


class UnusableFrameError(Exception):
    """The camera gave something else than a 96 x 96 grey frame."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found in one frame."""

    label: Literal["ok", "defect"]
    score: float
    """Probability of a defect, 0..1; the label is "defect" from 0.5 on."""
    stages_ms: dict[str, float]
    """Time of "pre", "infer" and "post"."""
    crop: Box | None
    """Where the defect probably is; None without one."""
    crop_png: bytes | None
    """That part of the frame, 64 x 64 grey; None without a defect."""


class Inspector:
    """Runs one model. Not for use by several threads at once.

    Raises:
        TelemetryError: ORT_DISABLE_TELEMETRY is not "1". That it was so when onnxruntime was
            first imported cannot be seen from here; importing ``hil`` first sees to it.
        UnusableModelError: the bytes do not load, have other inputs or outputs, or do not
            answer a black frame.
    """

    def __init__(self, model: bytes) -> None:
        if os.environ.get("ORT_DISABLE_TELEMETRY") != "1":
            msg = 'ORT_DISABLE_TELEMETRY is not "1": start the process with it'
            raise TelemetryError(msg)
        self._session = _load(model)
        said = self._session.get_modelmeta().custom_metadata_map
        self.model: Final = f"{said.get('name', 'unnamed')}@{said.get('version', '0')}"
        """Name and version as the bytes themselves say, ``surface-defects@1.0.0``."""
        self._run(np.zeros((1, *SHAPES[INPUT_NAME]), np.float32))

    def inspect(self, pixels: Pixels) -> Finding:
        """Judge one frame, (96, 96) grey.

        Returning "ok" means a score below 0.5 and nothing more: card.yaml has the error rates.

        Raises:
            UnusableFrameError: another shape or another type of number.
            UnusableModelError: the model answered with something that is no probability.
        """
        if pixels.shape != (FRAME_SIDE_PX, FRAME_SIDE_PX) or pixels.dtype != np.uint8:
            have = f"{pixels.shape} {pixels.dtype}"
            msg = f"need a frame of (96, 96) uint8, have {have}: set the camera to 96 x 96 grey"
            raise UnusableFrameError(msg)
        began = time.perf_counter()
        image = scale(pixels[None])
        ready = time.perf_counter()
        score, evidence = self._run(image)
        inferred = time.perf_counter()
        crop = locate(evidence) if score >= THRESHOLD else None
        crop_png = _png(pixels[crop.top : crop.bottom, crop.left : crop.right]) if crop else None
        done = time.perf_counter()
        return Finding(
            label="defect" if crop else "ok",
            score=score,
            stages_ms={
                "pre": (ready - began) * 1e3,
                "infer": (inferred - ready) * 1e3,
                "post": (done - inferred) * 1e3,
            },
            crop=crop,
            crop_png=crop_png,
        )

    def _run(self, image: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        outputs = self._session.run([SCORE_NAME, EVIDENCE_NAME], {INPUT_NAME: image})
        score, evidence = float(outputs[0][0, 0]), outputs[1][0, 0]
        # Written so that NaN, which a damaged weight gives, fails it too.
        if not (0 <= score <= 1 and np.isfinite(evidence).all()):
            msg = f"model {self.model}: need a probability from 0 to 1, have {score}"
            raise UnusableModelError(msg)
        return score, evidence


def scale(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Map frames (n, 96, 96) to the model's input (n, 1, 96, 96). Training uses it as well."""
    return np.multiply(images[:, None], 1 / 255, dtype=np.float32)


def locate(evidence: NDArray[np.float32]) -> Box:
    """Return the 64 x 64 pixels around the centre of the evidence, moved inside the frame.

    It is where the model looked, not a measurement: cells are 16 pixels apart, the size is
    fixed, and of two defects it shows one or the middle. Evidence that speaks against a
    defect is left out; without any for it, the crop is the middle of the frame.
    """
    weight = np.maximum(evidence, 0)
    total = float(weight.sum())
    steps = np.arange(CELLS) * CELL_PX  # a cell of four strided layers sees around this pixel
    centres = [float(weight.sum(axis) @ steps) / total if total else 48.0 for axis in (0, 1)]
    left, top = (
        min(max(round(centre) - CROP_SIDE_PX // 2, 0), FRAME_SIDE_PX - CROP_SIDE_PX)
        for centre in centres
    )
    return Box(left, top, left + CROP_SIDE_PX, top + CROP_SIDE_PX)


def _load(model: bytes) -> Any:  # noqa: ANN401 - onnxruntime publishes no types
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, and logged where it is handled
    try:
        # The default list of providers holds one that talks to a cloud.
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's types share no base but this
        msg = f"model of {len(model)} bytes does not load: {type(error).__name__}"
        raise UnusableModelError(msg) from error
    declared = [*session.get_inputs(), *session.get_outputs()]
    have = {port.name: port.shape[1:] for port in declared if port.type == "tensor(float)"}
    if have != SHAPES:
        msg = f"model has other inputs or outputs: need {SHAPES}, have {have}"
        raise UnusableModelError(msg)
    return session


def _png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
