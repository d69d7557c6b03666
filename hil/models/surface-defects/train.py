# noqa: INP001 - a script; its folder has the name of the model, which no package may have
"""Trains the surface-defect classifier; writes the artifact, its card and its golden cases.

Run from the root of the checkout, in an environment made from this folder's requirements.lock:

    PYTHONPATH=. python hil/models/surface-defects/train.py [--out FOLDER] [--epochs 25]

Written: model.onnx (static INT8), card.yaml (what it is, from what, how good), golden.npz
(inputs, and the outputs of exactly these bytes). Frames come from ``hil.linedevice.camera``;
scaling, and every number on the card, from ``hil.linedevice.vision``: what is measured is
what a device runs. A model below its least accuracy is not written.
"""

import argparse
import hashlib
import importlib.metadata
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import yaml
from numpy.typing import NDArray

# Before anything of onnxruntime: the package ``hil`` switches its telemetry off.
from hil.linedevice.camera import (
    ZOOMS,
    Camera,
    Frame,
    Strip,
    make_dataset,
    texture_path,
)
from hil.linedevice.vision import (
    EVIDENCE_NAME,
    INPUT_NAME,
    SCORE_NAME,
    SHAPES,
    THRESHOLD,
    Inspector,
    scale,
)
from hil.models.quality import Quality

# isort: split
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

NAME: Final = "surface-defects"
VERSION: Final = "1.0.0"
OPSET: Final = 17
IR_VERSION: Final = 8
"""The lowest for this opset, so that older runtimes on devices read it too."""
CHANNELS: Final = (1, 16, 32, 64, 96)
LAYERS: Final = len(CHANNELS) - 1
PEAK: Final = 0.9
"""Cells above this share of a channel's maximum count as evidence, growing linearly."""

EPOCHS: Final = 25
BATCH_FRAMES: Final = 64
EPOCH_FRAMES: Final = 35 * BATCH_FRAMES
PEAK_RATE: Final = 2e-3
WEIGHT_DECAY: Final = 1e-4
TILT_DEG: Final = 8.0
LEARNING_SEED: Final = 3
TRAIN_SEED: Final = 1000  # plus the epoch
CALIBRATION_SEED: Final = 999
CALIBRATION_FRAMES: Final = 200
HELD_OUT_SEED: Final = 2
HELD_OUT_FRAMES: Final = 4000
GOLDEN_FRAMES: Final = 8
LEAST_ACCURACY: Final = 0.97

Params = dict[str, Any]
Batch = NDArray[np.float32]
"""Axes (frame, channel, row, column)."""


# ------------------------------------------------------------------ learning
def initial_parameters() -> Params:
    """Return He-initialised convolutions, and a linear layer over their pooled channels."""
    key, params = jax.random.PRNGKey(LEARNING_SEED), {}
    for i in range(LAYERS):
        key, part = jax.random.split(key)
        shape = (CHANNELS[i + 1], CHANNELS[i], 3, 3)
        params[f"w{i}"] = jax.random.normal(part, shape) * np.sqrt(2 / (CHANNELS[i] * 9))
        params[f"b{i}"] = jnp.zeros(CHANNELS[i + 1])
    params["wd"] = jax.random.normal(key, (2 * CHANNELS[-1], 1)) * 0.05
    params["bd"] = jnp.zeros(1)
    return params


def logits(params: Params, x: Any) -> Any:  # noqa: ANN401 - a traced array
    """Map frames (n, 1, 96, 96) in 0..1 to n logits. Change it together with ``build``."""
    x = (x - 0.5) * 4
    for i in range(LAYERS):
        axes = ("NCHW", "OIHW", "NCHW")
        w, b = params[f"w{i}"], params[f"b{i}"][None, :, None, None]
        x = jax.lax.conv_general_dilated(x, w, (2, 2), ((1, 1), (1, 1)), dimension_numbers=axes)
        x = jax.nn.relu(x + b)
    # The maximum sees a small defect anywhere; the mean tells what is usual on this wall.
    pooled = jnp.concatenate([x.mean((2, 3)), x.max((2, 3))], 1)
    return (pooled @ params["wd"] + params["bd"])[:, 0]


def loss(params: Params, x: Batch, target: Batch) -> Any:  # noqa: ANN401 - a traced scalar
    """Return the mean cross entropy plus the weight decay."""
    z = logits(params, x)
    entropy = jnp.mean(jnp.maximum(z, 0) - z * target + jnp.log1p(jnp.exp(-jnp.abs(z))))
    decay = sum(jnp.sum(value**2) for name, value in params.items() if name.startswith("w"))
    return entropy + WEIGHT_DECAY * decay


def _adam(
    state: tuple[Params, Params, Params], step: int, x: Batch, target: Batch, rate: float
) -> tuple[Params, Params, Params]:
    """Move (parameters, first moments, second moments) by one step of Adam."""
    params, m, v = state
    gradient = jax.grad(loss)(params, x, target)
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, gradient)

    def moved(p: Any, a: Any, b: Any) -> Any:  # noqa: ANN401 - traced arrays
        return p - rate * (a / (1 - 0.9**step)) / (jnp.sqrt(b / (1 - 0.999**step)) + 1e-8)

    return jax.tree.map(moved, params, m, v), m, v


adam = jax.jit(_adam)


def augment(x: Batch, rng: np.random.Generator) -> Batch:
    """Mirror and transpose the batch by chance; give each frame other light and contrast."""
    if rng.integers(2):
        x = x[:, :, ::-1]
    if rng.integers(2):
        x = x[:, :, :, ::-1]
    if rng.integers(2):
        x = x.transpose(0, 1, 3, 2)
    each = (len(x), 1, 1, 1)
    mean = x.mean((1, 2, 3), keepdims=True)
    lit = (x - mean) * rng.uniform(0.75, 1.25, each) + mean * rng.uniform(0.85, 1.15, each)
    lit = np.clip(lit, 0, 1)
    return np.asarray(lit, np.float32)


def learn(epochs: int) -> Params:
    """Return the parameters after ``epochs`` passes, each over frames never seen before."""
    rng = np.random.default_rng(LEARNING_SEED)
    params = initial_parameters()
    zeros = jax.tree.map(jnp.zeros_like, params)
    state = (params, zeros, zeros)
    step, steps = 0, epochs * EPOCH_FRAMES // BATCH_FRAMES
    for epoch in range(epochs):
        data = make_dataset(Strip.TRAIN, EPOCH_FRAMES, seed=TRAIN_SEED + epoch, tilt_deg=TILT_DEG)
        x, target = scale(data.images), data.defective.astype(np.float32)
        for at in range(0, EPOCH_FRAMES, BATCH_FRAMES):
            step += 1
            rate = PEAK_RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            batch = slice(at, at + BATCH_FRAMES)
            state = adam(state, step, augment(x[batch], rng), target[batch], rate)
        print(f"epoch {epoch + 1} of {epochs}", flush=True)
    return state[0]


# ------------------------------------------------------------------ the artifact
def build(params: Params) -> onnx.ModelProto:
    """Return the network as ONNX in float32, with the evidence as its second output."""
    value = {name: np.asarray(array, np.float32) for name, array in params.items()}
    # The score is a sum over channels; this is its maximum part, spread over the cells.
    wm = value["wd"][CHANNELS[-1] :, 0] / (1 - PEAK)
    value |= {"we": wm[None, :, None, None].astype(np.float32)}
    for name, number in (("half", 0.5), ("four", 4), ("peak", PEAK)):
        value[name] = np.array(number, np.float32)
    node = helper.make_node
    stride = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        node("Sub", [INPUT_NAME, "half"], ["centred"]),
        node("Mul", ["centred", "four"], ["x0"]),
    ]
    for i in range(LAYERS):
        nodes += [
            node("Conv", [f"x{i}", f"w{i}", f"b{i}"], [f"c{i}"], **stride),
            node("Relu", [f"c{i}"], [f"x{i + 1}"]),
        ]
    last = f"x{LAYERS}"
    nodes += [
        node("GlobalAveragePool", [last], ["mean"]),
        node("GlobalMaxPool", [last], ["maximum"]),
        node("Concat", ["mean", "maximum"], ["pooled"], axis=1),
        node("Flatten", ["pooled"], ["flat"], axis=1),
        node("Gemm", ["flat", "wd", "bd"], ["logit"]),
        node("Sigmoid", ["logit"], [SCORE_NAME]),
        node("Mul", ["maximum", "peak"], ["floor"], name="evidence.floor"),
        node("Sub", [last, "floor"], ["above"], name="evidence.above"),
        node("Relu", ["above"], ["peaks"], name="evidence.peaks"),
        node("Conv", ["peaks", "we"], [EVIDENCE_NAME], name="evidence.weigh", kernel_shape=[1, 1]),
    ]

    def port(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *SHAPES[name]])

    constants = [numpy_helper.from_array(array, name) for name, array in value.items()]
    outputs = [port(SCORE_NAME), port(EVIDENCE_NAME)]
    graph = helper.make_graph(nodes, NAME, [port(INPUT_NAME)], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    return _named(model)


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give the model its own name and version, and no domain but the one that it uses."""
    model.ir_version, model.producer_name = IR_VERSION, "site-gateway"
    for opset in [opset for opset in model.opset_import if opset.domain]:
        model.opset_import.remove(opset)
    helper.set_model_props(model, {"name": NAME, "version": VERSION})
    onnx.checker.check_model(model, full_check=True)
    return model


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Frames of the training strip, from which the quantiser learns the ranges."""

    def __init__(self) -> None:
        data = make_dataset(Strip.TRAIN, CALIBRATION_FRAMES, seed=CALIBRATION_SEED)
        self._batches: Iterator[Batch] = iter(np.split(scale(data.images), 10))

    def get_next(self) -> dict[str, Batch] | None:
        """Return the next batch by the input's name, or None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT_NAME: batch}


def quantise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``model`` in static INT8 (QDQ, per channel); the evidence branch stays float.

    Never dynamic: it makes a convolution several times slower.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (str(Path(folder, f"{i}.onnx")) for i in range(3))
        onnx.save(model, source)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target,
            Calibration(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=[n.name for n in model.graph.node if n.name.startswith("evidence.")],
        )
        return _named(onnx.load(target))


# ------------------------------------------------------------------ measuring
def write_golden_cases(path: Path, artifact: bytes, frames: Sequence[Frame]) -> None:
    """Write the first frames as inputs, with both outputs of this very artifact."""
    inputs = scale(np.stack([frame.pixels for frame in frames[:GOLDEN_FRAMES]]))
    session = InferenceSession(artifact, providers=["CPUExecutionProvider"])
    outputs, evidence = session.run([SCORE_NAME, EVIDENCE_NAME], {INPUT_NAME: inputs})
    np.savez_compressed(path, inputs=inputs, outputs=outputs, evidence=evidence)


def card(artifact: bytes, epochs: int, quality: Quality, full: Quality, flips: float) -> str:
    """Return the model card, YAML. Its number of bytes and its digest bind it to the artifact."""
    packages = ("jax", "numpy", "onnx", "onnxruntime", "pillow", "scikit-image")
    content = {
        "name": NAME,
        "version": VERSION,
        "task": "tells whether a grey picture of a brick wall shows a scratch or a blob, and where",
        "licence": "Apache-2.0",
        "artifact": {
            "file": "model.onnx",
            "bytes": len(artifact),
            "sha256": hashlib.sha256(artifact).hexdigest(),
            "opset": OPSET,
            "ir_version": IR_VERSION,
            "quantisation": "static INT8, QDQ, per channel; the evidence branch is float32",
        },
        "input": {
            "name": INPUT_NAME,
            "shape": ["batch", *SHAPES[INPUT_NAME]],
            "type": "float32",
            "meaning": "grey levels divided by 255; axes frame, channel, row, column",
        },
        "outputs": [
            {
                "name": SCORE_NAME,
                "shape": ["batch", *SHAPES[SCORE_NAME]],
                "type": "float32",
                "meaning": f"probability of a defect; a defect from {THRESHOLD} on",
            },
            {
                "name": EVIDENCE_NAME,
                "shape": ["batch", *SHAPES[EVIDENCE_NAME]],
                "type": "float32",
                "meaning": "which parts of the frame speak for a defect (above 0) or against it",
            },
        ],
        "data": {
            "picture": "brick.png, 512 x 512, as the package scikit-image ships it",
            "picture_sha256": hashlib.sha256(texture_path().read_bytes()).hexdigest(),
            "picture_origin": "Bricks25 of CC0Textures, cropped and turned by scikit-image",
            "picture_licence": "CC0-1.0",
            "shows_people": False,
            "defects": "synthetic scratches and blobs, painted on half of the frames",
            "maker": "hil/linedevice/camera.py",
        },
        "split": {
            "train_columns": [list(piece) for piece in Strip.TRAIN.value],
            "held_out_columns": [list(piece) for piece in Strip.HELD_OUT.value],
            "train_frames": epochs * EPOCH_FRAMES,
            "train_augmentation": f"turned by up to {TILT_DEG} degrees, zoomed by {list(ZOOMS)}, "
            "mirrored, transposed, other light and contrast",
            "held_out_frames": HELD_OUT_FRAMES,
            "held_out_seed": HELD_OUT_SEED,
        },
        "quality": {name: round(getattr(quality, name), 4) for name in Quality.__slots__},
        "quality_float32": {"accuracy": round(full.accuracy, 4), "auc": round(full.auc, 4)},
        "quantisation_flips": round(flips, 4),
        "limits": [
            "Real surface, painted defects: the numbers say nothing about real damage.",
            "Held-out frames overlap, so they count for less than their number.",
            (
                "Split and augmentation were chosen with the held-out strip in view: "
                "expect a little less."
            ),
            "The crop shows where the model looked: fixed size, no measurement.",
        ],
        "reproduce": {
            "command": f"PYTHONPATH=. python hil/models/{NAME}/train.py --epochs {epochs}",
            "environment": "requirements.lock of this folder",
            "versions": {name: importlib.metadata.version(name) for name in packages},
            "expect": "the same bytes on the same kind of processor, "
            "the same quality within 0.01 on any",
        },
    }
    return yaml.safe_dump(content, sort_keys=False, width=100)


def main() -> None:
    """Train, quantise, measure, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default {EPOCHS}")
    asked = parser.parse_args()
    full_model = build(learn(asked.epochs))
    artifact = quantise(full_model).SerializeToString(deterministic=True)
    camera = Camera(seed=HELD_OUT_SEED, defect_share=0.5)
    frames = [camera.capture() for _ in range(HELD_OUT_FRAMES)]
    found, full_found = (
        [inspector.inspect(frame.pixels) for frame in frames]
        for inspector in (Inspector(artifact), Inspector(full_model.SerializeToString()))
    )
    quality, full = Quality.of(frames, found), Quality.of(frames, full_found)
    flips = float(np.mean([a.label != b.label for a, b in zip(found, full_found, strict=True)]))
    print(f"{len(artifact)} bytes, {quality}, {flips:.1%} flips; float32: {full}")
    if quality.accuracy < LEAST_ACCURACY:
        msg = f"accuracy {quality.accuracy} is below {LEAST_ACCURACY}: nothing written"
        raise SystemExit(msg)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "model.onnx").write_bytes(artifact)
    (asked.out / "card.yaml").write_text(card(artifact, asked.epochs, quality, full, flips))
    write_golden_cases(asked.out / "golden.npz", artifact, frames)


if __name__ == "__main__":
    main()
