"""A line device by hand: it says exactly what a test tells it, and shows each answer.

It keeps no outbox and sends nothing again by itself; ``hil.linedevice`` is the reference.
"""

import json
import ssl
import time
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.raw_mqtt import NO_SUBSCRIBER, SUCCESS, Publication, RawClient, Will

DOWN = ("receipt", "access", "desired", "challenge")
BOOT = "0f0e0d0c-boot"
JOIN_LIMIT_S = 30.0
_epochs = count(1_000_001)

Document = dict[str, Any]


def trust(folder: Path, *, certificate: Path | None = None) -> ssl.SSLContext:
    """TLS as the device in ``folder`` speaks it; ``certificate`` is another folder, or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(folder / "ca.pem")
    if certificate is not None:
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


class RawDevice(RawClient):
    """The device whose folder ``device add`` wrote, over MQTT 5 or 3.1.1 (``version=4``)."""

    def __init__(
        self, folder: Path, *, version: int = 5, identifier: str = "", keepalive_s: int = 60
    ) -> None:
        self.connection: Document = json.loads((folder / "connection.json").read_text())
        self.id: str = self.connection["id"]
        self.epoch = next(_epochs)
        self.last = {"alert": 0, "data": 0}
        super().__init__(
            identifier or self.id,
            port=self.connection["mqtt_port"],
            tls=trust(folder, certificate=folder),
            version=version,
            will=Will(self.up("status"), self.status("offline")),
            keepalive_s=keepalive_s,
        )

    def up(self, channel: str) -> str:
        return f"line/{self.id}/up/{channel}"

    def down(self, channel: str) -> str:
        return f"line/{self.id}/down/{channel}"

    # Payloads.

    def status(self, state: str = "online") -> bytes:
        return json.dumps(
            {
                "v": 1,
                "state": state,
                "profile": self.connection["profile"],
                "agent": "by-hand/1",
                "boot": BOOT,
                "synced": False,
                "slots": [],
                "production": "unknown",
                "desired_rev": 0,
                "last": {"epoch": self.epoch, **self.last},
            }
        ).encode()

    def envelope(self, stream: str, items: list[Document], **changes: Any) -> Document:
        """The next envelope of ``stream``; ``changes`` replace members, None removes one."""
        self.last[stream] += 1
        whole = {
            "v": 1,
            "epoch": self.epoch,
            "seq": self.last[stream],
            "base": self.last[stream],
            "boot": BOOT,
            "mono_ms": 1_000 + self.last[stream],
            **({"type": "result"} if stream == "data" else {}),
            "items": items,
        } | changes
        return {key: value for key, value in whole.items() if value is not None}

    # Conversation.

    def join(self, *channels: str) -> Document:
        """Subscribe, say the status until the gateway answers, and return that receipt."""
        for channel in channels or DOWN:
            code = self.subscribe(self.down(channel), 0 if channel == "receipt" else 1)
            assert code <= 1, f"down/{channel} refused: 0x{code:02x}"
        limit = time.monotonic() + JOIN_LIMIT_S
        while True:
            # The gateway may not have subscribed yet: the broker then says that nobody listens.
            code = self.publish(self.up("status"), self.status(), retain=True)
            assert code in {SUCCESS, NO_SUBSCRIBER}, f"0x{code:02x}"
            if code == SUCCESS:
                return self.receipt(0, 0)
            assert time.monotonic() < limit, "the gateway does not listen"
            time.sleep(0.05)

    def receipt(self, alert: int | None = None, data: int | None = None) -> Document:
        """Wait for a receipt of this epoch with marks at least so high, and return it."""
        wanted = {"alert": alert or 0, "data": data or 0}

        def fits(one: Publication) -> bool:
            if one.topic != self.down("receipt"):
                return False
            found = one.document
            high = all(found[stream] >= mark for stream, mark in wanted.items())
            return found["epoch"] == self.epoch and high

        return self.until_heard(fits, f"a receipt of {self.epoch} with {wanted}").document

    def refusal(self, stream: str, seq: int) -> str:
        """Wait for a receipt that refuses this message; return its reason."""

        def refused(one: Publication) -> str:
            if one.topic != self.down("receipt"):
                return ""
            listed = one.document.get("refused", [])
            return next((r for name, number, r in listed if (name, number) == (stream, seq)), "")

        found = self.until_heard(refused, f"a refusal of {stream} {seq}")
        return refused(found)

    def say(self, stream: str, items: list[Document], **changes: Any) -> Document:
        """Send one good message as JSON and return the receipt that covers it."""
        envelope = self.envelope(stream, items, **changes)
        code = self.publish(self.up(stream), json.dumps(envelope).encode())
        assert code == SUCCESS, f"0x{code:02x}"
        return self.receipt(**{stream: envelope["seq"]})


def result(number: int = 1) -> Document:
    """A result item; ``number`` makes it differ from others."""
    return {
        "mono_ms": number,
        "model": "brick@1",
        "label": "ok",
        "score": 0.25,
        "latency_ms": 12.5,
    }


def alert(number: int = 1) -> Document:
    """An alert item without a picture."""
    return {
        "id": f"a{number}",
        "kind": "surface-defect",
        "severity": "major",
        "label": "scratch",
        "score": 0.5,
    }
