"""The gateway's side of the shared vectors: what it reads, refuses, answers and encodes."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.intake.wire import Advisory, Read, Refusal, StatusReport, Telemetry, read
from gateway.model.contract import Contract, ContractInForce
from gateway.model.delivery import Delivery
from gateway.model.message import Receipt
from tests.support.desk import Desk

FOLDER = Path(__file__).parents[1] / "vectors" / "protocol"
CONTRACT = ContractInForce(
    msgspec.json.decode((FOLDER / "contract.json").read_bytes(), type=Contract), "e" * 64
)
Vector = dict[str, Any]


def every(name: str) -> pytest.MarkDecorator:
    """Run a test with each vector of a file."""
    vectors = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["vectors"]
    assert vectors
    return pytest.mark.parametrize("vector", vectors, ids=[one["name"] for one in vectors])


def payload_of(vector: Vector) -> bytes:
    if "payload" in vector:
        return str(vector["payload"]).encode()
    return base64.b64decode(vector["payload_base64"], validate=True)


def reading(vector: Vector, channel: str) -> Read:
    topic = f"line/cam-01/up/{channel}"
    retained = vector.get("retained", False)
    delivery = Delivery(topic, payload_of(vector), retained, vector["content_type"], (1, 1))
    return read(delivery, CONTRACT)


def place_of(found: Telemetry | Refusal) -> dict[str, int] | None:
    place = found.place
    if place is None:
        return None
    return {"epoch": place.key.epoch, "seq": place.key.seq, "base": place.base}


@every("messages")
def test_a_message_is_taken_as_the_vector_says(vector: Vector):
    found = reading(vector, vector["topic"])
    assert isinstance(found, Telemetry), found
    expected = vector["expect"]
    assert found.message.message_class.value == expected["class"]
    assert len(found.message.items) == expected["items"]
    assert place_of(found) == expected["place"]


@every("refusals")
def test_a_message_is_refused_with_the_reason_and_place_of_the_vector(vector: Vector):
    found = reading(vector, vector["topic"])
    assert isinstance(found, Refusal), found
    assert (found.reason.value, place_of(found)) == (
        vector["expect"]["refused"],
        vector["expect"]["place"],
    ), found.detail


@every("statuses")
async def test_a_status_is_understood_and_answered_as_the_vector_says(
    vector: Vector, tmp_path: Path
):
    found = reading(vector, "status")
    expected = vector["expect"]
    if "refused" in expected:
        assert isinstance(found, Refusal), found
        assert (found.reason.value, found.place) == (expected["refused"], expected.get("place"))
        return
    assert isinstance(found, StatusReport), found
    assert found.status.state == expected["state"]
    assert msgspec.to_builtins(found.status.last) == expected["last"]
    async with Desk(tmp_path / "spool.db") as desk:
        result = await desk.take((found, payload_of(vector)))
        assert bool(result.receipts) is expected["answered"]


@every("receipts")
def test_a_receipt_is_encoded_byte_for_byte_as_devices_expect_it(vector: Vector):
    if vector["as_the_gateway_encodes_it"]:
        payload = vector["payload"].encode()
        receipt = msgspec.json.decode(payload, type=Receipt)
        assert msgspec.json.encode(receipt) == payload
        assert json.loads(payload) | vector["means"] == vector["means"]


@every("sequences")
async def test_a_device_is_answered_step_by_step_as_the_vector_says(vector: Vector, tmp_path: Path):
    async with Desk(tmp_path / "spool.db", contract=CONTRACT) as desk:
        for number, step in enumerate(vector["steps"]):
            if step.get("restart"):
                await desk.restart()
                continue
            found = reading(step, step["topic"])
            assert not isinstance(found, Advisory)
            receipts = (await desk.take((found, payload_of(step)))).receipts
            answer = json.loads(msgspec.json.encode(receipts[0][1])) if receipts else None
            assert (len(receipts) <= 1, answer) == (True, step["receipt"]), f"step {number}"
        kept: dict[str, dict[str, list[int]]] = {}
        for epoch, stream, seq in desk.rows(
            "SELECT epoch, stream, seq FROM message ORDER BY epoch, stream, seq"
        ):
            kept.setdefault(str(epoch), {"alert": [], "data": []})[stream].append(seq)
        assert kept == vector["kept"]
        dead = desk.rows("SELECT epoch, stream, seq, reason FROM dead_letter ORDER BY id")
        assert [list(row) for row in dead] == vector["dead_letters"]
