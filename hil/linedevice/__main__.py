"""Run the reference line device from its folder.

It looks at frames of a camera, runs a model on each, and tells the gateway: alerts with a
picture at once, results once a second. Everything waits in DIR/outbox.db until the
gateway's receipt. Stop it with Ctrl-C or SIGTERM; a second start goes on where it stopped.

Exit codes: 0 stopped when asked to, 1 failed while running, 2 unusable folder or arguments.
"""

import argparse
import hashlib
import json
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from hil.linedevice.camera import Camera, MissingTextureError
from hil.linedevice.connection import Connection, FolderError, read_connection, read_trust
from hil.linedevice.device import LineDevice, Look
from hil.linedevice.link import Link
from hil.linedevice.outbox import DamagedError, Outbox, set_aside
from hil.linedevice.payloads import Slot
from hil.linedevice.vision import Inspector, TelemetryError, UnusableModelError

MODEL: Final = Path(__file__).parents[1] / "models" / "surface-defects" / "model.onnx"
OUTBOX_FILE: Final = "outbox.db"
RATE_MAX_HZ: Final = 1000.0
LOGGED: Final = {
    "refused": "message-refused",
    "new-epoch": "epoch-renewed",
    "unreadable": "receipt-unreadable",
    "outbox-damaged": "outbox-damaged",
}
"""Events that the gateway is told too, as log items with this template."""


def share(text: str) -> float:
    """Return a probability."""
    if not 0 <= (value := float(text)) <= 1:
        raise ValueError
    return value


def rate(text: str) -> float:
    """Return images a second."""
    if not 0 < (value := float(text)) <= RATE_MAX_HZ:
        raise ValueError
    return value


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments, or end with 2 and a usage line."""
    parser = argparse.ArgumentParser(
        prog="python -m hil.linedevice",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="what `site-gateway device add --out DIR` wrote"
    )
    parser.add_argument(
        "--rate", type=rate, default=2.0, metavar="HZ", help="images a second (default 2)"
    )
    parser.add_argument(
        "--defects",
        type=share,
        default=0.05,
        metavar="SHARE",
        help="share of defective images, 0 to 1 (default 0.05)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same images every time")
    parser.add_argument(
        "--model", type=Path, default=MODEL, metavar="PATH", help="the ONNX file to run"
    )
    parser.add_argument(
        "--json", action="store_true", help="print events as JSON, one object a line"
    )
    return parser.parse_args(argv)


class Voice:
    """Prints events, as sentences or as JSON lines; tells some of them to the gateway too."""

    def __init__(self, name: str, *, as_json: bool) -> None:
        self._name, self._as_json = name, as_json
        self.device: LineDevice | None = None

    def __call__(self, event: str, **facts: object) -> None:
        """Print one event. Any thread may."""
        if self._as_json:
            line = json.dumps({"event": event, "device": self._name, **facts})
        else:
            line = " ".join([f"{self._name}: {event}", *(f"{k}={v}" for k, v in facts.items())])
        print(line, flush=True)
        if self.device is not None and event in LOGGED:
            self.device.log("warning", LOGGED[event], json.dumps(facts))


def open_outbox(path: Path) -> tuple[Outbox, str]:
    """Return the outbox and no complaint; or, with one, a new epoch beside the damaged file."""
    try:
        return Outbox(path), ""
    except DamagedError as error:
        set_aside(path)
        return Outbox(path), str(error)


def read_model(path: Path) -> bytes:
    """Return the bytes of a model.

    Raises:
        FolderError: there is no such file.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror}. Give the ONNX file with --model"
        raise FolderError(msg) from error


def run(folder: Path, connection: Connection, args: argparse.Namespace) -> int:
    """Run until a signal; return the exit code."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    say = Voice(connection.id, as_json=args.json)
    tls = read_trust(folder, connection)
    model = read_model(args.model)
    camera = Camera(
        seed=args.seed if args.seed is not None else threading.get_native_id(),
        defect_share=args.defects,
    )
    inspector = Inspector(model)

    def look() -> Look:
        frame = camera.capture()
        return Look(inspector.inspect(frame.pixels), float(frame.pixels.mean()))

    name, _, version = inspector.model.partition("@")
    slot = Slot("model", name, version, hashlib.sha256(model).hexdigest(), "active")
    outbox, damage = open_outbox(folder / OUTBOX_FILE)
    with outbox:
        device = LineDevice(look, outbox, profile=connection.profile, model=slot, rate_hz=args.rate)
        say.device = device
        link = Link(connection, tls, outbox, describe=device.status, say=say, stopping=stopping)
        device.wake = link.wake
        if damage:
            say("outbox-damaged", reason=damage)
        say("started", epoch=outbox.epoch, waiting=len(outbox), rate_hz=args.rate)
        link.start()
        try:
            device.run(stopping)
        finally:
            link.stop()
            say("stopped", waiting=len(outbox), **asdict(device.counts))
    if link.failure is not None:
        raise link.failure
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = arguments(argv)
    try:
        return run(args.folder, read_connection(args.folder), args)
    except (FolderError, MissingTextureError, TelemetryError, UnusableModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except sqlite3.Error as error:
        path = args.folder / OUTBOX_FILE
        print(
            f"error: {path}: {error}. Is another device running on this folder? Is the disk full?",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
