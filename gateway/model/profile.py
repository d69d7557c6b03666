"""A firmware profile: what a class of devices is made of and may be asked to do."""

from typing import Annotated, Literal

import msgspec

from gateway.model.topicmap import TopicRule

Positive = Annotated[float, msgspec.Meta(gt=0)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Hardware(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The board. Memory in MB (fractions for micro controllers), storage in GB."""

    cpu: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    cores: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    ram_mb: Positive
    accelerator: str | None
    storage_gb: Positive


class Constraints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model must fit: megabytes, milliseconds, watts."""

    max_model_size_mb: Positive
    max_inference_time_ms: Positive
    power_budget_watts: Positive


class Security(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the board's hardware offers."""

    secure_boot: bool
    tpm: bool


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of a ``profile.yaml``."""

    name: Name
    hardware: Hardware
    capabilities: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=32)]
    constraints: Constraints
    security: Security
    trust: Literal["attested", "key-only"]
    """attested: needs a current verdict of its TPM quote; key-only: a valid certificate."""
    verifies: Literal["tuf-full", "tuf-partial", "bootloader", "none"]
    """Who checks a firmware before it runs; with ``none`` firmware is refused."""
    topics: Annotated[tuple[TopicRule, ...], msgspec.Meta(max_length=32)] = ()
    """The topic map of devices that cannot speak the protocol; empty for all others."""
    silent_after_s: Annotated[int, msgspec.Meta(ge=10, le=31 * 86_400)] | None = None
    """With a topic map: a device that sends nothing for so long is reported as silent."""
