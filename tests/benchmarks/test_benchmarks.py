"""Each benchmark measures what it says, in a form too small to mean anything."""

import asyncio

import pytest

from tests.benchmarks import drain, encryption, flash, inference, ingest, latency, start
from tests.benchmarks.report import Options, Report

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

TINY = Options(share=0.02, rounds=1, devices=4)


def assert_measured(report: Report, ratios: int) -> None:
    """Assert that every number was measured, and that people and programs see the ratios."""
    rows = [value for row in report.rows.values() for value in row]
    assert all(value is not None and value >= 0 for value in rows)
    assert len(report.ratios) == ratios
    assert all(ratio > 0 for ratio in report.ratios.values())
    for what in report.ratios:
        assert f"ratio  {what}: " in report.text()
    assert report.document()["ratios"] == report.ratios


def test_ingest_is_measured_beside_lesser_readers() -> None:
    assert_measured(asyncio.run(ingest.measure(TINY)), ratios=3)


def test_receipts_are_measured_beside_echoes() -> None:
    assert_measured(asyncio.run(latency.measure(TINY)), ratios=4)


def test_what_reaches_the_disk_is_measured_beside_a_bare_reader() -> None:
    assert_measured(asyncio.run(flash.measure(TINY)), ratios=2)


def test_stages_are_measured_beside_the_bare_runtime() -> None:
    assert_measured(inference.measure(Options(share=0.1, rounds=1)), ratios=4)


def test_a_start_with_a_full_queue_is_measured_beside_an_empty_one() -> None:
    assert_measured(start.measure(TINY), ratios=3)


def test_encryption_is_measured_beside_plain_text() -> None:
    assert_measured(encryption.measure(TINY), ratios=2)


def test_a_backlog_drains_beside_posts_alone() -> None:
    assert_measured(drain.measure(TINY), ratios=1)
