"""A data contract: what a device may send, how long it stays, what of it leaves the site.

One per firmware profile (``contract.yaml``). Closed by default: a field that is not
declared is refused, a class that does not opt in does not leave. ``fleet/contract.py``
reads the YAML; the SHA-256 of its text goes out with every upload.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

Hours = Annotated[int, msgspec.Meta(ge=0, le=24 * 366)]
ItemKind = Literal["alert", "result", "metric", "log"]


class FieldRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named field of items. Numbers leave as ``round(value * scale)``."""

    type: Literal["number", "string"]
    items: Annotated[tuple[ItemKind, ...], msgspec.Meta(min_length=1)]
    minimum: float | None = None
    maximum: float | None = None
    max_chars: Annotated[int, msgspec.Meta(ge=1, le=256)] = 64
    leaves: bool = False
    scale: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class AlertRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Alerts leave field by field; pictures only by opt-in and within bounds."""

    kept_after_delivery_h: Hours = 24
    leaves: bool = True
    picture_leaves: bool = False
    picture_max_bytes: Annotated[int, msgspec.Meta(ge=0, le=262_144)] = 65_536
    picture_max_pixels: Annotated[int, msgspec.Meta(ge=0, le=1_048_576)] = 16_384


class ResultRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Result rows leave only by opt-in, and are then printed as not differentially private."""

    kept_h: Hours = 24
    rows_leave: bool = False


class MetricRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Metrics never leave as rows."""

    kept_h: Hours = 168


class LogRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Logs leave as template, severity and count."""

    kept_h: Hours = 720
    leaves: bool = True


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of a ``contract.yaml``."""

    version: Literal[1]
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    fields: Annotated[dict[str, FieldRule], msgspec.Meta(max_length=64)] = {}
    alert: AlertRule = AlertRule()
    result: ResultRule = ResultRule()
    metric: MetricRule = MetricRule()
    log: LogRule = LogRule()


@dataclass(frozen=True, slots=True)
class ContractInForce:
    """A contract and the SHA-256 (hexadecimal) of the text it was read from."""

    contract: Contract
    sha256: str
