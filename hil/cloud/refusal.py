"""Why a batch is not taken: a value with the status and the code that the upload protocol names."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """``status`` and ``code`` are those of docs/upload-protocol.md; ``detail`` is for people."""

    status: int
    code: str
    detail: str
