"""``docs/asyncapi.yaml`` against both sides that speak the protocol."""

import json
from typing import Any

import msgspec
import pytest

from gateway.app.device import Fleet
from gateway.broker import roles
from gateway.config import Config, SiteSection
from gateway.identity.inventory import Device
from gateway.intake import wire
from gateway.intake.limits import IntakeLimits
from gateway.model import message, readings, status, telemetry
from gateway.model.access import Access
from gateway.model.identity import DEVICE_ID, DeviceId
from gateway.model.outcome import Stream
from gateway.model.time import UnixMs
from hil.linedevice import link, payloads, protocol
from tests.architecture.tree import ROOT
from tests.support.protocol_documents import (
    DOCUMENT,
    MESSAGES,
    SCHEMAS,
    derived,
    fields,
    operations,
    references,
    target,
    topics,
    written,
)
from tests.support.vectors import reading, vectors

DATA_KINDS = {
    "result": telemetry.ResultItem,
    "metric": readings.MetricItem,
    "log": telemetry.LogItem,
}


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 50
    for one in found:
        assert target(one, DOCUMENT) is not None, one


def test_each_channel_has_its_address_its_operation_and_its_mark() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    used = operations()
    assert set(used) == set(DOCUMENT["channels"])
    for name, channel in DOCUMENT["channels"].items():
        direction, _, topic = name.partition("-")
        assert channel["address"] == f"line/{{device}}/{direction}/{topic}"
        assert used[name]["action"] == {"up": "send", "down": "receive"}[direction]
        assert channel["x-availability"] in {"now", "later"}


# The gateway's side.


def test_the_gateway_reads_the_channels_that_are_there_and_leaves_the_later_ones_alone() -> None:
    for topic in topics("up", availability="later"):
        assert isinstance(reading(topic, b""), wire.Advisory), topic
    for topic in topics("up", availability="now"):
        answer = reading(topic, b"")
        assert isinstance(answer, wire.Refusal)
        assert answer.reason is wire.Reason.MALFORMED, topic
    assert topics("up", availability="later") == set(wire._ADVISORY)
    assert topics("up", availability="now") == {"status", *(stream.value for stream in Stream)}


def test_a_quarantined_device_may_use_the_channels_that_say_so() -> None:
    in_quarantine = {"in-quarantine": True}
    assert topics("up", **in_quarantine) == set(roles.QUARANTINE_UP)
    assert topics("down", **in_quarantine) == set(roles.QUARANTINE_DOWN)


def test_nothing_of_a_device_is_retained_but_its_status() -> None:
    kept = {name for name, one in operations().items() if one["bindings"]["mqtt"]["retain"]}
    assert kept == {"up-status", "down-access", "down-desired"}
    for topic in topics("up") - {"status"}:
        answer = reading(topic, b"", retained=True)
        assert isinstance(answer, wire.Refusal)
        assert answer.reason is wire.Reason.RETAINED


def test_the_content_types_are_those_that_the_gateway_reads_and_the_device_writes() -> None:
    known = set(wire._FORMATS) - {""}
    assert known == {payloads.JSON, payloads.MESSAGEPACK}
    for topic in topics("up", availability="now"):
        for reference in DOCUMENT["channels"][f"up-{topic}"]["messages"].values():
            one = target(reference["$ref"], DOCUMENT)
            assert set(one["x-content-types"]) == known
            assert one["contentType"] in known
    assert wire._FORMATS[""] is wire._FORMATS[DOCUMENT["defaultContentType"]]


@pytest.mark.parametrize(
    ("name", "struct"),
    [
        ("DeviceStatus", status.DeviceStatus),
        ("Slot", status.Slot),
        ("Last", status.Last),
        ("AlertItem", telemetry.AlertItem),
        ("Image", telemetry.Image),
        ("ResultItem", telemetry.ResultItem),
        ("MetricItem", readings.MetricItem),
        ("LogItem", telemetry.LogItem),
    ],
)
def test_a_schema_has_the_members_and_bounds_of_the_gateways_reader(
    name: str, struct: type
) -> None:
    assert written(name) == derived(struct)


@pytest.mark.parametrize("kind", ["alert", *DATA_KINDS])
def test_an_envelope_has_the_members_and_bounds_of_the_gateways_reader(kind: str) -> None:
    expected = derived(wire._Envelope)
    of_data = expected["properties"].pop("type")
    assert of_data["anyOf"][0]["enum"] == sorted(DATA_KINDS)
    expected["properties"]["items"] = {
        "type": "array",
        "minItems": 1,
        "maxItems": wire.ITEMS_MAX,
        "items": derived(DATA_KINDS.get(kind, telemetry.AlertItem)),
    }
    if kind in DATA_KINDS:
        expected["properties"]["type"] = {"const": kind}
        expected["required"] = sorted([*expected["required"], "type"])
    assert written(f"{kind.capitalize()}Message") == expected


def test_a_message_has_the_schema_of_its_name() -> None:
    names = {
        name: one["payload"].get("$ref", "").rpartition("/")[2] for name, one in MESSAGES.items()
    }
    there = {name: schema for name, schema in names.items() if schema}
    assert there == {
        "status": "DeviceStatus",
        "alert": "AlertMessage",
        "alertInMessagePack": "AlertMessage",
        **{kind: f"{kind.capitalize()}Message" for kind in DATA_KINDS},
        "receipt": "Receipt",
        "access": "Access",
    }


def test_a_receipt_has_the_members_that_the_gateway_sends_and_the_device_reads() -> None:
    found, expected = written("Receipt"), derived(message.Receipt)
    assert set(found["properties"]) == set(expected["properties"]) == set(fields(payloads.Receipt))
    assert found["required"] == expected["required"]
    required = {name for name, one in fields(payloads.Receipt).items() if one.required}
    assert sorted(required) == expected["required"]
    refused = found["properties"]["refused"]
    assert refused["maxItems"] == message.REFUSALS_A_RECEIPT_MAX
    assert refused["items"]["items"][0]["enum"] == sorted(one.value for one in payloads.Stream)
    assert {one.value for one in payloads.Stream} == {one.value for one in Stream}
    pause = expected["properties"]["pause"]["items"]["enum"]
    assert found["properties"]["pause"]["items"]["enum"] == pause


def test_the_reasons_of_a_receipt_are_those_that_the_vectors_show() -> None:
    shown = {
        reason
        for vector in vectors("sequences.json")
        for step in vector["steps"]
        for _, _, reason in (step.get("receipt") or {}).get("refused", [])
    }
    assert set(SCHEMAS["Reason"]["examples"]) == shown
    refused = {vector["expect"]["refused"] for vector in vectors("refusals.json")}
    # No payload makes a device unknown.
    assert shown | refused | {"unknown-device"} == {reason.value for reason in wire.Reason}


class Ear:
    """Stands for the link to the broker; hears what is published."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.heard.append((topic, payload, retain))


@pytest.mark.parametrize("state", list(Access))
async def test_an_access_document_is_what_the_gateway_publishes(state: Access) -> None:
    nothing: Any = None  # what it publishes depends on the configuration and the device alone
    ear: Any = Ear()
    section = SiteSection("plant-a", ("127.0.0.1",), "/state", "/run/sg", "/profiles")
    fleet = Fleet(Config(section), ROOT, nothing, nothing, nothing, {}, lambda: None)
    device = Device(DeviceId("cam-01"), "virtual-camera", state, "", "", UnixMs(0), UnixMs(0))
    await fleet.tell_access(ear, device)
    ((topic, payload, retained),) = ear.heard
    assert (topic, retained) == ("line/cam-01/down/access", True)
    schema, published = written("Access"), json.loads(payload)
    assert sorted(published) == sorted(schema["properties"]) == schema["required"]
    assert published["state"] in schema["properties"]["state"]["enum"]
    encoded = {one["payload"] for one in vectors("access.json") if one["as_the_gateway_encodes_it"]}
    assert payload.decode() in encoded


# The device's side.


def test_the_device_subscribes_to_channels_that_are_there_with_their_quality() -> None:
    used = operations()
    for name, qos in link.SUBSCRIPTIONS.items():
        assert used[f"down-{name}"]["bindings"]["mqtt"]["qos"] == qos
    assert topics("down") - set(link.SUBSCRIPTIONS) == {"inferred"}
    server = DOCUMENT["servers"]["site"]["bindings"]["mqtt"]
    assert (server["keepAlive"], server["cleanSession"]) == (link.KEEPALIVE_S, True)
    assert server["lastWill"]["retain"]


@pytest.mark.parametrize(
    ("name", "struct"),
    [
        ("DeviceStatus", payloads.Status),
        ("Slot", payloads.Slot),
        ("Last", payloads.Last),
        ("ResultMessage", payloads._Envelope),
    ],
)
def test_the_device_sends_the_members_that_there_are(name: str, struct: Any) -> None:
    sent = fields(struct)
    assert set(sent) == set(SCHEMAS[name]["properties"])
    if struct.__struct_config__.omit_defaults:
        left_out = {one for one, field in sent.items() if not field.required}
        assert left_out == {"type"}, "which an alert does not have"
    for member, field in sent.items():
        if isinstance(field.type, msgspec.inspect.LiteralType):
            values = written(name)["properties"][member]["enum"]
            assert sorted(map(str, field.type.values)) == values


def test_the_device_reads_an_access_document_and_its_window() -> None:
    schema = written("Access")
    assert set(fields(payloads.Access)) <= set(schema["properties"])
    window = derived(IntakeLimits)["properties"]["window"]
    assert window.pop("default") == payloads.WINDOW_DEFAULT
    assert schema["properties"]["window"] == window
    assert window["maximum"] == protocol.WINDOW_MAX


def test_a_device_id_is_spelled_in_one_way() -> None:
    assert f"`{DEVICE_ID.pattern}`" in DOCUMENT["components"]["parameters"]["device"]["description"]
