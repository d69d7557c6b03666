"""A reader of batches as docs/upload-protocol.md describes them, apart from what wrote them."""

import base64
import json
from typing import Any

import zstandard

MAX_DECODED_BYTES = 64 << 20


def document(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; refuse what decodes to too much."""
    with zstandard.ZstdDecompressor().stream_reader(body) as reader:
        text = reader.read(MAX_DECODED_BYTES + 1)
    assert len(text) <= MAX_DECODED_BYTES, "decoded batch is too large"
    found: dict[str, Any] = json.loads(text)
    return found


def records(body: bytes) -> list[dict[str, Any]]:
    """Return one object a record: words, true times, numbers as stored, picture bytes.

    A value that a record does not have is absent.
    """
    whole = document(body)
    rows: list[dict[str, Any]] = [{} for _ in range(whole["items"])]
    for name, column in whole["columns"].items():
        assert len(column) == len(rows)
        time_s = whole["t0_s"]
        for row, stored in zip(rows, column, strict=True):
            if stored is None:
                continue
            if name == "time_s":
                time_s += stored
                row[name] = time_s
            elif name in whole["labels"]:
                row[name] = whole["labels"][name][stored]
            elif name == "picture":
                row[name] = base64.b64decode(stored, validate=True)
            else:
                row[name] = stored
    return rows
