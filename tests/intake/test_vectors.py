"""The gateway's side of the shared vectors: what a device may rely on, byte by byte."""

from typing import Any

import msgspec

from gateway.intake.wire import Read, Refusal, StatusReport, Telemetry, read
from gateway.model.contract import Contract, ContractInForce
from gateway.model.delivery import Delivery
from gateway.model.message import Receipt
from tests.support.desk import CONTRACT, Desk
from tests.support.vectors import FOLDER, Vector, each, payload, vectors

IN_FORCE = ContractInForce(
    msgspec.json.decode((FOLDER / "contract.json").read_bytes(), type=Contract),
    CONTRACT.sha256,  # under which the desk's spool finds a contract
)
DEVICE = "cam-01"


def taken(vector: Vector, topic: str) -> Read:
    delivery = Delivery(
        topic=f"line/{DEVICE}/up/{topic}",
        payload=payload(vector),
        retained=vector.get("retained", False),
        content_type=vector["content_type"],
        token=(1, 1),
    )
    return read(delivery, IN_FORCE)


def place(answer: Telemetry | Refusal) -> dict[str, int] | None:
    found = answer.place
    if found is None:
        return None
    return {"epoch": found.key.epoch, "seq": found.key.seq, "base": found.base}


@each("messages.json")
def test_the_gateway_takes(vector: Vector):
    answer = taken(vector, vector["topic"])
    assert isinstance(answer, Telemetry), answer
    assert answer.message.key == answer.place.key
    assert answer.message.key.stream.value == vector["topic"]
    assert vector["expect"] == {
        "class": answer.message.message_class.value,
        "items": len(answer.message.items),
        "place": place(answer),
    }


@each("refusals.json")
def test_the_gateway_refuses(vector: Vector):
    answer = taken(vector, vector["topic"])
    assert isinstance(answer, Refusal), answer
    assert vector["expect"] == {"refused": answer.reason.value, "place": place(answer)}, (
        answer.detail
    )


@each("statuses.json")
async def test_the_gateway_reads_the_status(vector: Vector, desk: Desk):
    answer = taken(vector, "status")
    if "refused" in vector["expect"]:
        assert isinstance(answer, Refusal), answer
        assert (answer.reason.value, answer.place) == (vector["expect"]["refused"], None)
        return
    assert isinstance(answer, StatusReport), answer
    receipts = (await desk.take((answer, payload(vector)))).receipts
    last = answer.status.last
    assert vector["expect"] == {
        "state": answer.status.state,
        "last": msgspec.to_builtins(last),
        "answered": bool(receipts),
    }
    assert [receipt for _, receipt in receipts] in ([], [Receipt(last.epoch, 0, 0)])


@each("receipts.json", where=lambda one: one["as_the_gateway_encodes_it"])
def test_the_gateway_encodes_the_receipt(vector: Vector):
    receipt = msgspec.convert(vector["means"], Receipt)
    assert msgspec.json.encode(receipt) == payload(vector)


@each("sequences.json")
async def test_the_gateway_answers(vector: Vector, desk: Desk):
    for number, step in enumerate(vector["steps"], 1):
        if "restart" in step:
            await desk.restart()
            continue
        arrival = taken(step, step["topic"])
        assert isinstance(arrival, Telemetry | StatusReport | Refusal)
        result = await desk.take((arrival, payload(step)))
        heard = [msgspec.json.decode(msgspec.json.encode(one)) for _, one in result.receipts]
        expected = [] if step["receipt"] is None else [step["receipt"]]
        assert heard == expected, f"step {number}"
    assert kept(desk) == vector["kept"]
    assert [list(row) for row in desk.rows(DEAD)] == vector["dead_letters"]


DEAD = "SELECT epoch, stream, seq, reason FROM dead_letter ORDER BY id"


def kept(desk: Desk) -> dict[str, Any]:
    epochs = [epoch for (epoch,) in desk.rows("SELECT DISTINCT epoch FROM message ORDER BY epoch")]
    return {
        str(epoch): {stream: desk.kept(epoch, stream) for stream in ("alert", "data")}
        for epoch in epochs
    }


def test_every_reason_that_a_device_can_cause_has_a_vector():
    seen = {one["expect"]["refused"] for one in vectors("refusals.json")}
    for one in vectors("sequences.json"):
        for step in one["steps"]:
            seen |= {reason for *_, reason in (step.get("receipt") or {}).get("refused", [])}
    assert seen == {
        *("malformed", "contract", "conflict"),
        *("beyond-window", "retained", "unknown-topic"),
    }  # and unknown-device, which no payload causes
