"""The account of a test: what devices sent, what the trace says, what the cloud holds."""

from collections import Counter
from collections.abc import Sequence

from tests.hil.cloud.stand_in import Cloud
from tests.support.ledger import ledger
from tests.support.load import LoadedDevice
from tests.support.site import Site
from tests.support.until import until

LEAVE = ("alert", "error-log", "result", "log")
"""The classes of the load that its contract lets out."""
DRAIN_LIMIT_S = 60.0


def receipted(devices: Sequence[LoadedDevice]) -> int:
    """How many messages have a receipt."""
    return sum(len(device.receipted()) for device in devices)


def until_receipts(devices: Sequence[LoadedDevice], more: int, where: str) -> None:
    """Wait until so many more messages have a receipt."""
    wanted = receipted(devices) + more
    until(lambda: receipted(devices) >= wanted, f"{more} more receipts in {where}")


def settle(
    site: Site,
    cloud: Cloud,
    devices: Sequence[LoadedDevice],
    *,
    within_s: float = DRAIN_LIMIT_S,
) -> None:
    """Stop the load, let everything drain, and join devices, trace and cloud.

    What a device has a receipt for stands in the trace, exactly once. What the trace calls
    delivered stands in exactly one batch, and the cloud holds that batch with the right
    number of rows, however often it was sent.
    """
    for device in devices:
        device.finish()
    until(
        lambda: all(len(device.outbox) == 0 for device in devices),
        "a receipt for everything",
        within_s=within_s,
    )
    site.until(
        lambda status: all(status["spool"][name]["rows"] == 0 for name in LEAVE),
        "everything that may leave is delivered",
        within_s=within_s,
    )
    trace = site.trace()
    found = Counter((line["device"], line["stream"], line["seq"]) for line in trace)
    for device in devices:
        for stream, seq in device.numbered():
            assert found.pop((device.name, stream, seq), 0) == 1, (device.name, stream, seq)
        assert device.said == []
    assert not found, "the trace names messages that no device has sent"
    outcomes = {(line["class"], line["outcome"]) for line in trace}
    assert outcomes == {*((name, "delivered") for name in LEAVE), ("metric", "queued")}
    delivered = Counter(line["batch"] for line in trace if line["outcome"] == "delivered")
    held = {line["batch"]: line["rows"] for line in ledger(cloud)}
    assert dict(delivered) == held
