"""The broker's queue must hold what all devices may have under way at once."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.limits import BrokerLimits, queue_findings

FULL = {"window": 50, "devices": 500, "message_bytes": 2_048}


def test_the_defaults_hold_five_hundred_devices():
    assert queue_findings(BrokerLimits(), **FULL) == []


def test_each_bound_that_is_too_small_is_named_with_its_remedy():
    limits = BrokerLimits(
        mode="external",
        max_queued_messages=24_999,
        max_queued_bytes=51_199_999,
        max_connections=999,
    )
    found = queue_findings(limits, **FULL)
    assert [finding.partition(":")[2].strip() for finding in found] == [
        "raise it, or lower window",
        "raise it, or lower intake.window",
        "half-open handshakes would keep devices out",
        "",
    ]
    for finding, key in zip(
        found,
        (
            "max_queued_messages is 24999",
            "max_queued_bytes is 51199999",
            "max_connections 999",
            "socket",
        ),
        strict=True,
    ):
        assert f"broker.{key}" in finding


def test_a_broker_whose_memory_ends_before_its_queue_is_found():
    limits = BrokerLimits(memory_bytes_max=134_217_727)
    (found,) = queue_findings(limits, **FULL)
    assert "broker.memory_bytes_max 134217727 is less than twice" in found


@given(
    st.integers(1, 1_000),
    st.integers(1, 500),
    st.integers(64, 262_144),
    st.integers(100, 10**6),
    st.integers(2**20, 2**32),
)
def test_nothing_is_found_exactly_when_everything_fits(
    window, devices, message_bytes, messages, size_bytes
):
    limits = BrokerLimits(
        max_queued_messages=messages, max_queued_bytes=size_bytes, memory_bytes_max=2**33
    )
    found = queue_findings(limits, window=window, devices=devices, message_bytes=message_bytes)
    fits = window * devices <= messages and window * devices * message_bytes <= size_bytes
    assert (found == []) is fits
