"""``docs/device-protocol.md`` and the examples of both documents against the code."""

import json
import re
from typing import Any

import msgspec
import pytest

from gateway.broker.limits import BrokerLimits
from gateway.intake import receipt as marks
from gateway.intake import wire
from gateway.intake.limits import IntakeLimits
from gateway.model import message, telemetry
from hil.linedevice import link, payloads, protocol
from tests.architecture.tree import ROOT
from tests.support.protocol_documents import (
    DOCUMENT,
    SCHEMAS,
    TEXT,
    examples,
    operations,
    topics,
    written,
)
from tests.support.vectors import reading


def section(title: str) -> str:
    found = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found, f"no section {title}"
    return found


def packed(payload: Any, content_type: str) -> bytes:
    """The example as it is on the wire."""
    if content_type == payloads.JSON:
        return json.dumps(payload).encode()
    alerts = msgspec.convert(payload["items"], list[telemetry.AlertItem])  # base64 becomes bytes
    return msgspec.msgpack.encode(payload | {"items": alerts})


def test_every_example_of_what_a_device_sends_is_taken() -> None:
    found = list(examples("up"))
    assert {topic for topic, _, _ in found} == topics("up", availability="now")
    assert len(found) >= 13
    for topic, content_type, payload in found:
        answer = reading(topic, packed(payload, content_type), content_type)
        assert isinstance(answer, wire.Telemetry | wire.StatusReport), answer


def test_every_example_of_what_a_device_receives_is_what_a_gateway_says() -> None:
    found = list(examples("down"))
    assert {topic for topic, _, _ in found} == topics("down", availability="now")
    assert len(found) >= 11
    for topic, content_type, payload in found:
        raw = packed(payload, content_type)
        if topic == "receipt":
            assert payloads.read_receipt(raw).epoch == payload["epoch"]
            said = msgspec.convert(payload, message.Receipt)
            assert json.loads(msgspec.json.encode(said)) == payload
        else:
            assert payloads.read_access(raw).state == payload["state"]
            assert sorted(payload) == written("Access")["required"]


@pytest.mark.parametrize("reason", list(wire.Reason))
def test_the_text_says_what_a_device_does_with_a_refusal(reason: wire.Reason) -> None:
    assert f"\n| `{reason.value}` |" in section("Refusals")


@pytest.mark.parametrize("name", DOCUMENT["channels"])
def test_the_text_has_each_channel_with_its_quality_and_its_rights(name: str) -> None:
    channel, binding = DOCUMENT["channels"][name], operations()[name]["bindings"]["mqtt"]
    kept = "yes" if binding["retain"] else "no"
    still = " yes " if channel["x-in-quarantine"] else " "
    later = "*later:* " if channel["x-availability"] == "later" else ""
    topic = name.replace("-", "/")
    row = f"\n| `{topic}` | {binding['qos']} | {kept} |{still}| {later}"
    rows = section("Topics and rights")
    assert row in rows
    assert rows.count("*later:*") == len(topics("", availability="later"))


@pytest.mark.parametrize("name", ["AlertMessage", "ResultMessage", "DeviceStatus", "Slot"])
def test_the_text_names_each_member_that_a_device_sends(name: str) -> None:
    title = "Messages" if name.endswith("Message") else "Status"
    for member in SCHEMAS[name]["properties"]:
        assert f"`{member}`" in section(title), member


@pytest.mark.parametrize("name", ["AlertItem", "ResultItem", "MetricItem", "LogItem"])
def test_the_text_has_a_table_for_each_item(name: str) -> None:
    title = name.removesuffix("Item")
    table = section("Messages").partition(f"\n**{title}**")[2].partition("\n\n**")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert listed[: len(SCHEMAS[name]["properties"])] == list(SCHEMAS[name]["properties"])


@pytest.mark.parametrize(("name", "title"), [("Receipt", "Receipts"), ("Access", "Access")])
def test_the_text_names_each_member_that_a_device_receives(name: str, title: str) -> None:
    for member in SCHEMAS[name]["properties"]:
        assert re.search(rf"`{member}`", section(title)), member
    for state in written("Access")["properties"]["state"]["enum"]:
        assert f"| `{state}` |" in section("Access")


PICTURE_BYTES_MAX = msgspec.inspect.type_info(
    next(one.type for one in msgspec.structs.fields(telemetry.Image) if one.name == "data")
)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("items in a message", wire.ITEMS_MAX),
        ("a packet, unless the site chose another (CONNACK)", BrokerLimits().max_packet_bytes),
        ("a picture", getattr(PICTURE_BYTES_MAX, "max_length", None)),
        ("window, the default", IntakeLimits().window),
        ("window, the largest", protocol.WINDOW_MAX),
        ("numbers beyond the mark", marks.AHEAD_MAX),
        ("digests kept behind the mark", marks.DIGESTS_KEPT),
        ("open epochs of a device", marks.EPOCHS_OPEN_MAX),
        ("closed epochs remembered", marks.EPOCHS_CLOSED_KEPT),
        ("refusals in a receipt", message.REFUSALS_A_RECEIPT_MAX),
        ("slots in a status", written("DeviceStatus")["properties"]["slots"]["maxItems"]),
        ("fields of an item", written("Fields")["maxProperties"]),
        ("largest epoch, seq, base, mono_ms", message.EPOCH_MAX),
    ],
)
def test_the_text_gives_the_bounds_of_the_code(what: str, value: int) -> None:
    assert re.search(rf"\n\| {re.escape(what)} \| {value:,}( bytes)? \|\n", section("Bounds"))


def test_the_text_gives_the_times_of_the_reference_device() -> None:
    times = section("Numbers of time")
    waits = f"{protocol.WAIT_FIRST_S:g} s, doubling to {protocol.WAIT_MAX_S:g} s"
    assert f"| the status without an answer | {waits} |" in times
    assert (
        f"| first resend of a message without a receipt | after {protocol.WAIT_FIRST_S:g} s |"
        in times
    )
    assert f"at most {protocol.WAIT_MAX_S:g} s |" in times
    assert f"0x{protocol.NO_SUBSCRIBER:02x}, 0x87 or 0x{protocol.FAILURE:02x} and above" in times
    reconnect = f"{link.RECONNECT_FIRST_S:g} s, doubling to {link.RECONNECT_MAX_S:g} s"
    assert f"| reconnect | {reconnect} |" in times
    linger = IntakeLimits()
    gathering = (
        f"{linger.alert_linger_ms} ms for alerts and statuses and {linger.data_linger_ms} ms"
    )
    assert gathering in " ".join(section("Receipts").split())


def test_what_the_reference_device_sends_fits_a_packet() -> None:
    assert f"below {payloads.PAYLOAD_MAX_BYTES:,} bytes" in section("Connecting")
    assert BrokerLimits().max_packet_bytes > payloads.PAYLOAD_MAX_BYTES


def test_every_file_and_section_that_the_text_names_is_there() -> None:
    titles = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    for path, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", TEXT):
        assert path == "" or (ROOT / "docs" / path).exists(), path
        assert path or anchor in titles, anchor
    for path in re.findall(r"`((?:hil|tests)/[\w./-]+)`", TEXT):
        assert (ROOT / path).exists(), path
