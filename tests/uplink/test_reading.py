"""What a person reads of a sealed batch is what was sealed."""

import pytest
import zstandard

from gateway.model.contract import Contract, ContractInForce, FieldRule
from gateway.model.outcome import MessageClass
from gateway.model.outgoing import AlertRow, LogRow, OutgoingRow, ResultRow
from gateway.uplink import reading
from gateway.uplink.encoding import encode

FIELDS = {"share": FieldRule("number", ("result",), leaves=True)}
CONTRACT = ContractInForce(Contract(version=1, name="t", fields=FIELDS), "c" * 64)


def opened(message_class: MessageClass, *rows: OutgoingRow) -> reading.Opened:
    made = encode(
        sorted(rows),
        message_class,
        messages=1,
        site="plant-a",
        contract=CONTRACT,
        nonce="0" * 32,
    )
    return reading.opened(made.body)


def test_results_come_back_with_times_words_numbers_and_fields():
    document = opened(
        MessageClass.RESULT,
        ResultRow(100, "m@1", "ok", 950, 42, (("share", 5),)),
        ResultRow(160, "m@1", "scratch", 100, 50),
    )
    scale = FIELDS["share"].scale
    assert reading.records(document, 9) == [
        {"time_s": 100, "model": "m@1", "label": "ok", "score": 0.95, "latency_ms": 4.2,
         "share": 5 / scale},
        {"time_s": 160, "model": "m@1", "label": "scratch", "score": 0.1, "latency_ms": 5.0,
         "share": None},
    ]  # fmt: skip
    assert (document.contract, document.privacy) == (CONTRACT.sha256, "not-dp")


def test_a_picture_is_told_by_its_size_and_not_printed():
    document = opened(
        MessageClass.ALERT, AlertRow(5, "defect", "major", "dent", 500, picture=b"x" * 300)
    )
    (record,) = reading.records(document, 1)
    assert record["picture"] == "<300 bytes>"


def test_no_more_records_are_made_than_are_shown():
    document = opened(MessageClass.LOG, LogRow("a", "info", 1), LogRow("b", "info", 2))
    assert reading.records(document, 1) == [{"template": "a", "severity": "info", "count": 1}]
    assert len(reading.records(document, 99)) == 2


@pytest.mark.parametrize(
    "body", [b"", b"{}", zstandard.compress(b"[]"), zstandard.compress(b"\xff")]
)
def test_bytes_that_are_no_batch_are_refused(body):
    with pytest.raises(ValueError, match="no sealed batch"):
        reading.opened(body)
