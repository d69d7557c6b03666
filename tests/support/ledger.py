"""What the cloud stand-in holds, as its own command prints it."""

import json
import subprocess
import sys
from typing import Any

from tests.hil.cloud.stand_in import Cloud


def ledger(cloud: Cloud) -> list[dict[str, Any]]:
    """Return one document a batch: batch, class, rows, items, received_ms, times, resent."""
    done = subprocess.run(
        [sys.executable, "-m", "hil.cloud", "ledger", "--json", "--dir", str(cloud.folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
