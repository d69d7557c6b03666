"""Write the shared vectors of the device protocol, version 1, beside this file.

Devices and gateways are tested with the same files, so that they cannot drift apart. What
is expected is written by hand, never computed by an implementation. Firmware in the field
was built against these files: change one only together with docs/device-protocol.md.

    python tests/vectors/protocol/generate.py
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from tests.vectors.protocol import (  # noqa: E402 -- a script finds its root first
    messages,
    receipts,
    refusals,
    sequences,
    statuses,
)

CONTRACT: Final = {
    "version": 1,
    "name": "protocol-vectors",
    "fields": {
        "defect_share": {
            "type": "number",
            "items": ["alert", "result"],
            "minimum": 0,
            "maximum": 1,
        },
        "zone": {"type": "string", "items": ["alert", "result", "log"], "max_chars": 8},
    },
}


def write(name: str, document: dict[str, Any]) -> None:
    """Write one file."""
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (HERE / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Write all of them."""
    write("contract.json", CONTRACT)
    write("messages.json", {"vectors": messages.vectors()})
    write("refusals.json", {"vectors": refusals.vectors()})
    write("statuses.json", {"vectors": statuses.vectors()})
    write("receipts.json", {"device": receipts.HELD, "vectors": receipts.receipts()})
    write("access.json", {"vectors": receipts.accesses()})
    write("sequences.json", {"vectors": sequences.vectors()})


if __name__ == "__main__":
    main()
