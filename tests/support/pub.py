"""Debian's ``mosquitto_pub`` in a device's folder: a client that nobody here wrote."""

import json
import subprocess
from pathlib import Path

LIMIT_S = 20.0


def pub(  # noqa: PLR0913 -- what one would type
    folder: Path,
    topic: str,
    payload: str,
    *,
    version: str = "5",
    qos: int = 1,
    retain: bool = False,
) -> str:
    """Publish over mTLS as the device in ``folder``; return what it complains of, or nothing."""
    connection = json.loads((folder / "connection.json").read_text())
    done = subprocess.run(
        [
            *("mosquitto_pub", "-V", version, "-q", "1", *(["-r"] if retain else [])),
            *("-h", connection["host"], "-p", str(connection["mqtt_port"])),
            *("--cafile", "ca.pem", "--cert", "cert.pem", "--key", "key.pem"),
            *("-t", topic, "-m", payload),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return (done.stdout + done.stderr).strip()
