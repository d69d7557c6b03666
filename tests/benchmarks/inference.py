"""Inference on the line device: each stage's time, beside the bare runtime.

    python -m tests.benchmarks.inference [--quick] [--rounds N] [--json]

One thread looks at frames of the virtual camera as ``hil.linedevice`` does: preprocess,
inference, post-process with the crop of a defect. After each frame the bare onnxruntime
session runs on the tensor that was prepared from the same frame: the reference.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import hil  # before onnxruntime: it switches its telemetry off
from hil.linedevice.camera import Camera, Frame
from hil.linedevice.vision import EVIDENCE_NAME, INPUT_NAME, SCORE_NAME, Inspector, scale
from tests.benchmarks.report import Options, Report, middle, options, percentile, show

MODEL = Path(hil.__file__).parent / "models" / "surface-defects" / "model.onnx"
FRAMES = 1_000
WARM_FRAMES = 20
DEFECT_SHARE = 0.1
STAGES = ("pre", "infer", "post")


def _bare(model: bytes):
    """Return what runs the model on a tensor, with nothing around it."""
    import onnxruntime  # noqa: PLC0415 -- after hil has switched its telemetry off

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda tensor: session.run([SCORE_NAME, EVIDENCE_NAME], {INPUT_NAME: tensor})


def measure(wanted: Options) -> Report:
    """Look at the same frames ``wanted.rounds`` times."""
    camera = Camera(seed=5, defect_share=DEFECT_SHARE)
    count = int(FRAMES * wanted.share)
    frames = [camera.capture() for _ in range(count)]
    model = MODEL.read_bytes()
    inspector, bare = Inspector(model), _bare(model)
    _round(inspector, bare, frames[:WARM_FRAMES])
    rounds = [_round(inspector, bare, frames) for _ in range(wanted.rounds)]
    return _report(rounds, count)


def _round(inspector: Inspector, bare, frames: Sequence[Frame]) -> dict[str, list[float]]:
    """Return the milliseconds of each stage, of the whole, and of the bare run."""
    took: dict[str, list[float]] = {name: [] for name in (*STAGES, "whole", "bare", "crop")}
    for frame in frames:
        began = time.perf_counter()
        found = inspector.inspect(frame.pixels)
        took["whole"].append((time.perf_counter() - began) * 1e3)
        for stage in STAGES:
            took[stage].append(found.stages_ms[stage])
        if found.crop:
            took["crop"].append(found.stages_ms["post"])
        tensor = scale(frame.pixels[None])
        began = time.perf_counter()
        bare(tensor)
        took["bare"].append((time.perf_counter() - began) * 1e3)
    return took


def _report(rounds: Sequence[dict[str, list[float]]], count: int) -> Report:
    report = Report(
        "inference",
        f"inference of one 96 x 96 frame, one thread: {count} frames, "
        f"{DEFECT_SHARE:.0%} defective; median of {len(rounds)} rounds",
        ("p50 ms", "p95 ms"),
    )
    labels = {
        "pre": "preprocess",
        "infer": "inference",
        "post": "post-process, all frames",
        "crop": "post-process, frames with a defect",
        "whole": "whole inspection",
        "bare": "bare onnxruntime on the same tensor",
    }
    for name, label in labels.items():
        of_rounds = [one[name] for one in rounds if one[name]]
        report.rows[label] = tuple(
            middle([percentile(one, percent) for one in of_rounds]) if of_rounds else None
            for percent in (50, 95)
        )
    bare = report.rows[labels["bare"]]
    for name in ("infer", "whole"):
        for at, percent in enumerate(report.columns):
            ratio = (report.rows[labels[name]][at] or 0.0) / (bare[at] or 1.0)
            report.ratios[f"{labels[name]} / bare onnxruntime, {percent[:3]}"] = ratio
    return report


if __name__ == "__main__":
    wanted, as_json, _ = options(__doc__, sys.argv[1:])
    show(measure(wanted), as_json=as_json)
