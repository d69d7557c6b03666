"""Where a sealed value belongs: what its associated data says. Pure.

Spelled for ever: a value opens only under the words it was sealed with. Class and contract
are part of a message's place, so nobody can relabel on the disk what may leave the site.
Alerts and their pictures are bound to the id of their row: whoever copies rows keeps ids.
"""


def message_place(origin: tuple[str, int, str, int], message_class: str, contract: str) -> str:
    """Return the place of a message's items; ``origin`` is (device, epoch, stream, seq)."""
    device, epoch, stream, seq = origin
    return f"message|{device}|{epoch}|{stream}|{seq}|{message_class}|{contract}"


def summary_place(alert: int, device: str, received_ms: int) -> str:
    """Return the place of an alert's kind, label and score."""
    return f"alert|{alert}|{device}|{received_ms}"


def picture_place(alert: int, device: str, received_ms: int) -> str:
    """Return the place of an alert's picture."""
    return f"picture|{alert}|{device}|{received_ms}"


def batch_place(sha256: str) -> str:
    """Return the place of a sealed batch's bytes."""
    return f"batch|{sha256}"
