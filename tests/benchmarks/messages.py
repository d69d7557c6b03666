"""What the measured devices say: payloads that fit the contract of ``virtual-camera``.

They are made by the reference line device's own encoder.
"""

import hashlib
from io import BytesIO

import msgspec
from PIL import Image

from hil.linedevice import payloads
from hil.linedevice.payloads import Draft, Last, Numbered, Stamp, Status

DATA_BYTES = 256
STAMP = Stamp(boot="b00720c1", mono_ms=7_260_125, time_ms=1_760_000_000_000)
PROFILE = "virtual-camera"
CROP_SIDE_PX = 64


def status(epoch: int, alert: int, data: int) -> bytes:
    """Return what a device says after it has connected."""
    said = Status(
        state="online",
        profile=PROFILE,
        agent="benchmark@1",
        boot=STAMP.boot,
        synced=True,
        slots=(),
        production="running",
        desired_rev=0,
        last=Last(epoch, alert, data),
        time=STAMP.time_ms,
    )
    return msgspec.json.encode(said)


def data(epoch: int, seq: int, base: int) -> bytes:
    """Return one inference result as a message of exactly 256 bytes."""
    short = _result(epoch, seq, base, "")
    return _result(epoch, seq, base, "x" * (DATA_BYTES - len(short)))


def _result(epoch: int, seq: int, base: int, padding: str) -> bytes:
    item: payloads.Item = {
        "mono_ms": STAMP.mono_ms,
        "model": f"surface-defects@1.0.0{padding}",
        "label": "ok",
        "score": 0.0132,
        "latency_ms": 1.25,
    }
    return payloads.encode(Numbered(payloads.data(STAMP, "result", [item]), epoch, seq, base))


class Alerts:
    """Alerts with the picture of a defect, a PNG of about 4 KB, in MessagePack."""

    content_type = payloads.MESSAGEPACK

    def __init__(self) -> None:
        noise = hashlib.shake_128(b"grain").digest(CROP_SIDE_PX**2)  # compresses as badly
        file = BytesIO()
        Image.frombytes("L", (CROP_SIDE_PX, CROP_SIDE_PX), noise).save(file, "PNG")
        item: payloads.Item = {
            "id": "a-1",
            "kind": "surface-defect",
            "severity": "major",
            "label": "defect",
            "score": 0.97,
            "image": {"type": "image/png", "data": file.getvalue()},
            "fields": {"defect_share": 0.04},
        }
        self._draft: Draft = payloads.alert(STAMP, item)

    def encode(self, epoch: int, seq: int, base: int) -> bytes:
        """Return one alert as a message."""
        return payloads.encode(Numbered(self._draft, epoch, seq, base))
