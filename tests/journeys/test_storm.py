"""A line whose gateway was away: all of it is sent again, and nobody is taken for noisy."""

import pytest

from tests.benchmarks.storm import measure

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


async def test_devices_that_send_all_of_it_again_are_neither_refused_nor_cut_off() -> None:
    """Five hundred of them: ``python -m tests.benchmarks.storm``."""
    _, facts = await measure(20, 5, calm_s=2, after_s=3)
    assert facts["sent again"] > 0, "there was a storm"
    assert facts["in the trace"] == facts["messages made"]
    assert facts["of these twice"] == 0
    assert facts["refused over the share"] == 0
    assert facts["devices cut off"] == 0
