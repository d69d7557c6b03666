"""The line device's side of the shared vectors, and that of the gateway it is tested against."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from hil.linedevice.payloads import (
    MESSAGEPACK,
    Access,
    Draft,
    Numbered,
    Receipt,
    Stamp,
    Status,
    Stream,
    UnreadableError,
    alert,
    data,
    encode,
    read_access,
    read_receipt,
)
from hil.linedevice.protocol import NewEpoch, Sender, Settled
from tests.support.model_gateway import ModelGateway
from tests.support.vectors import Vector, document, each, payload

CERTAIN = {"epoch", "seq", "base", "v"}


def decoded(raw: bytes, content_type: str) -> dict[str, Any]:
    binary = content_type == MESSAGEPACK
    found: dict[str, Any] = msgspec.msgpack.decode(raw) if binary else json.loads(raw)
    return found


def stamped(vector: Vector) -> bool:
    """Return whether the message says the wall clock's time, as this device always does."""
    return isinstance(decoded(payload(vector), vector["content_type"]).get("time"), int)


def drafted(whole: dict[str, Any], stream: Stream, content_type: str) -> Draft:
    """Make the message as the device does; where it never makes such a one, from its parts."""
    stamp = Stamp(whole["boot"], whole["mono_ms"], whole["time"])
    items: list[dict[str, object]] = whole["items"]
    kind: Any = whole.get("type")
    if stream is Stream.ALERT and content_type == MESSAGEPACK:
        (item,) = items
        return alert(stamp, item)
    if stream is Stream.DATA and content_type != MESSAGEPACK:
        return data(stamp, kind, items)
    binary = content_type == MESSAGEPACK
    raw = msgspec.msgpack.encode(items) if binary else json.dumps(items).encode()
    return Draft(stream, stamp, kind, content_type, raw)


@each("messages.json", where=stamped)
def test_the_device_says_the_same(vector: Vector):
    whole = decoded(payload(vector), vector["content_type"])
    draft = drafted(whole, Stream(vector["topic"]), vector["content_type"])
    numbered = Numbered(draft, whole["epoch"], whole["seq"], whole["base"])
    assert decoded(encode(numbered), draft.content_type) == whole
    resent = encode(replace(numbered, base=whole["seq"]))
    assert decoded(resent, draft.content_type) == whole | {"base": whole["seq"]}


@each("statuses.json", where=lambda one: one["name"] in {"a whole status", "the last will"})
def test_the_device_says_the_same_of_itself(vector: Vector):
    whole = json.loads(payload(vector))
    assert json.loads(msgspec.json.encode(msgspec.convert(whole, Status))) == whole


@each("receipts.json", where=lambda one: one["means"])
def test_the_device_reads_the_receipt(vector: Vector):
    receipt = read_receipt(payload(vector))
    assert json.loads(msgspec.json.encode(receipt)) == vector["means"]


@each("receipts.json", where=lambda one: not one["means"])
def test_the_device_leaves_what_is_no_receipt(vector: Vector):
    with pytest.raises(UnreadableError):
        read_receipt(payload(vector))


HELD = document("receipts.json")["device"]
RANGES = {stream: range(HELD[stream.value][0], HELD[stream.value][1] + 1) for stream in Stream}


def all_sent() -> Sender:
    """A device that has sent all it holds to a gateway that had none of it."""
    sender = Sender()
    sender.access(Access("admitted"))
    sender.connected(0.0)
    assert sender.plan(0.0, RANGES, 0.5).status
    sender.receipt(Receipt(HELD["epoch"], 0, 0), 0.1, RANGES, HELD["epoch"])
    assert len(sender.plan(0.2, RANGES, 0.5).messages) == sum(map(len, RANGES.values()))
    return sender


@each("receipts.json", where=lambda one: one["means"])
def test_the_device_does_what_the_receipt_means(vector: Vector):
    sender = all_sent()
    outcome = sender.receipt(read_receipt(payload(vector)), 0.3, RANGES, HELD["epoch"])
    match vector["then"]["do"]:
        case "new-epoch":
            assert isinstance(outcome, NewEpoch)
        case "ignore":
            assert outcome == Settled({}, ())
        case "settle":
            assert isinstance(outcome, Settled)
            freed = {stream.value: mark for stream, mark in outcome.free.items()}
            assert freed == vector["then"]["frees"]
            again = {stream for stream, _ in sender.plan(100.0, RANGES, 0.5).messages}
            paused = "data" in vector["means"]["pause"]
            assert (Stream.DATA in again) == (
                not paused and freed.get("data") != RANGES[Stream.DATA][-1]
            )
        case other:
            pytest.fail(f"a vector wants {other}")


@each("access.json", where=lambda one: one["means"])
def test_the_device_reads_what_it_may_do(vector: Vector):
    access, means = read_access(payload(vector)), vector["means"]
    assert (access.state, access.window) == (means["state"], means["window"])
    sender = all_sent()
    sender.access(access)
    assert bool(sender.plan(100.0, RANGES, 0.5).messages) == means["may_send"]


@each("access.json", where=lambda one: not one["means"])
def test_the_device_leaves_what_is_no_access_document(vector: Vector):
    with pytest.raises(UnreadableError):
        read_access(payload(vector))


# The model gateway judges keys and marks only, and no more than a well-made device shows it.
BEYOND_THE_MODEL = {
    "without a readable place there is no receipt, and the mark stands",
    "the window is counted from the base where that is higher",
    "a last will and a status that the broker had kept are not answered",
    "a fifth epoch closes the one that rested longest",
    "a resend that is encoded in another way is another content",
    "what lies more than 10,000 behind the mark is a conflict: its digest is gone",
}


def bare(receipt: dict[str, Any]) -> dict[str, Any]:
    """The receipt, without the place that a conflict names: it may be any of the epoch."""
    conflicts = [one for one in receipt.get("refused", []) if one[2] == "conflict"]
    return receipt | {"refused": ["conflict"]} if conflicts else receipt


@each("sequences.json", where=lambda one: one["name"] not in BEYOND_THE_MODEL)
def test_the_gateway_that_the_device_is_tested_against_answers(vector: Vector):
    gateway = ModelGateway()
    for number, step in enumerate(vector["steps"], 1):
        if "restart" in step:
            continue
        whole, expected = json.loads(step["payload"]), step["receipt"]
        if step["topic"] == "status":
            answer = gateway.status(whole["last"]["epoch"])
        else:
            content = json.dumps({k: v for k, v in whole.items() if k not in CERTAIN})
            for _, _, reason in expected.get("refused", []):
                if reason in {"contract", "malformed"}:
                    gateway.reasons[content] = reason
            key = whole["epoch"], step["topic"], whole["seq"], whole["base"]
            answer = gateway.message(*key, content)
            if "refused" not in expected and content in gateway.reasons:
                answer.pop("refused")  # the gateway says it once, the model each time
        assert bare(answer) == bare(expected), f"step {number}"
