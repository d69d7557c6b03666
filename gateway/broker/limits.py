"""The ``[broker]`` section: how the broker is run and what it may hold."""

from typing import Annotated, Literal

import msgspec

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class BrokerLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the broker is run, and its bounds.

    Overflow of its queue is silent there; it is repaired by the devices, which send again
    what has no receipt.
    """

    mode: Literal["managed", "external"] = "managed"
    """managed: the gateway starts mosquitto as its child; external: a unit or cluster does, and
    what it refuses (a foreign topic, a certificate) stands in its own log only."""
    port: Port = 8883
    """Where devices connect, with a client certificate."""
    listen: str = ""
    """The address to listen on; empty means the first of ``site.addresses``."""
    max_packet_bytes: Annotated[int, msgspec.Meta(ge=262_144, le=16_777_216)] = 400_000
    """A larger packet ends the device's connection with reason 0x95, at each resend again, so the
    lower bound is above what the reference device sends."""
    max_queued_messages: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 25_000
    """Messages that wait in the broker for the gateway, on each of its two links."""
    max_queued_bytes: Annotated[int, msgspec.Meta(ge=1_048_576, le=4_294_967_296)] = 67_108_864
    """Bytes that wait in the broker for the gateway, on each of its two links."""
    memory_bytes_max: Annotated[int, msgspec.Meta(ge=67_108_864, le=8_589_934_592)] = 268_435_456
    """Memory of the managed broker; at it, whoever sends large packets is disconnected."""
    max_connections: Annotated[int, msgspec.Meta(ge=2, le=65_000)] = 1_200
    """At least twice the devices: a half-open TLS handshake takes a place too."""
    socket: str = ""
    """external only: the broker's unix socket for the gateway."""
    password_file: str = ""
    """external only: the file with the password of the broker's user ``gateway``."""


def queue_findings(
    limits: BrokerLimits, *, window: int, devices: int, message_bytes: int
) -> list[str]:
    """Return why the broker's queue cannot hold what all devices may have under way at once."""
    findings: list[str] = []
    messages = window * devices
    if messages > limits.max_queued_messages:
        findings.append(
            f"intake.window {window} x intake.max_devices {devices} = {messages} messages, but "
            f"broker.max_queued_messages is {limits.max_queued_messages}: raise it, or lower window"
        )
    if messages * message_bytes > limits.max_queued_bytes:
        findings.append(
            f"{messages} messages of intake.planned_message_bytes {message_bytes} are "
            f"{messages * message_bytes} bytes, but broker.max_queued_bytes is "
            f"{limits.max_queued_bytes}: raise it, or lower intake.window"
        )
    if limits.memory_bytes_max < 2 * limits.max_queued_bytes:
        findings.append(
            f"broker.memory_bytes_max {limits.memory_bytes_max} is less than twice "
            f"broker.max_queued_bytes {limits.max_queued_bytes}: a full queue would disconnect "
            "devices; raise the first, or lower the second"
        )
    if limits.max_connections < 2 * devices:
        findings.append(
            f"broker.max_connections {limits.max_connections} is less than twice "
            f"intake.max_devices {devices}: half-open handshakes would keep devices out"
        )
    if limits.mode == "external" and not (limits.socket and limits.password_file):
        findings.append('broker.mode "external" needs broker.socket and broker.password_file')
    return findings
