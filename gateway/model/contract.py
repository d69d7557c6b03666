"""A data contract: what a device may send, how long it stays, what of it leaves the site.

One per firmware profile (``contract.yaml``), over what the site's ``default-contract.yaml``
gives. Closed by default: a field that is not declared is refused, a class that does not opt
in does not leave. ``fleet/contract.py`` reads the YAML; the SHA-256 of the text goes out
with every upload.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

Hours = Annotated[int, msgspec.Meta(ge=0, le=24 * 366)]
ItemKind = Literal["alert", "result", "metric", "log"]
Sensitivity = Literal["low", "medium", "high"]
Mechanism = Literal["none", "rows-anonymised", "aggregate-dp"]
"""What stands between a class and the world: nothing leaves; rows without identity, which
are not differentially private; aggregates with noise."""
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_.-]{1,64}$")]
Words = Annotated[tuple[Word, ...], msgspec.Meta(max_length=256)]
ModelName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_.-]{1,64}@[a-z0-9_.-]{1,32}$")]


class FieldRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named field of items. Numbers leave as ``round(value * scale)``."""

    type: Literal["number", "string"]
    items: Annotated[tuple[ItemKind, ...], msgspec.Meta(min_length=1)]
    minimum: float | None = None
    maximum: float | None = None
    max_chars: Annotated[int, msgspec.Meta(ge=1, le=256)] = 64
    leaves: bool = False
    scale: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    words: Words = ()


class CameraRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The camera feed: models look at it, and nothing keeps or sends it. Only its size is told."""

    sensitivity: Literal["high"] = "high"
    kept_s: Literal[0] = 0
    leaves: bool = False
    mechanism: Literal["none"] = "none"
    frame_pixels: Annotated[int, msgspec.Meta(ge=1_024, le=268_435_456)] = 307_200
    picture_share_max: Annotated[float, msgspec.Meta(gt=0, le=0.5)] = 0.25

    @property
    def picture_pixels_max(self) -> int:
        """Pixels of all pictures of one message; above them they are taken for a frame."""
        return int(self.frame_pixels * self.picture_share_max)


class AlertRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Alerts leave field by field; pictures only by opt-in and within bounds."""

    sensitivity: Sensitivity = "medium"
    mechanism: Mechanism | msgspec.UnsetType = msgspec.UNSET
    kept_after_delivery_h: Hours = 24
    leaves: bool = True
    withheld: tuple[Literal["kind", "label", "score"], ...] = ()
    kinds: Words = ()
    labels: Words = ()
    picture_leaves: bool = False
    picture_max_bytes: Annotated[int, msgspec.Meta(ge=0, le=262_144)] = 65_536
    picture_max_pixels: Annotated[int, msgspec.Meta(ge=0, le=1_048_576)] = 16_384


class ResultRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Result rows leave only by opt-in, and are then printed as not differentially private."""

    sensitivity: Sensitivity = "medium"
    mechanism: Mechanism | msgspec.UnsetType = msgspec.UNSET
    kept_h: Hours = 24
    rows_leave: bool = False
    withheld: tuple[Literal["model", "label", "score", "latency_ms"], ...] = ()
    labels: Words = ()
    models: Annotated[tuple[ModelName, ...], msgspec.Meta(max_length=256)] = ()


class MetricRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Metrics never leave as rows."""

    sensitivity: Sensitivity = "low"
    mechanism: Mechanism | msgspec.UnsetType = msgspec.UNSET
    kept_h: Hours = 168


class LogRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Logs leave as template, severity and count."""

    sensitivity: Sensitivity = "low"
    mechanism: Mechanism | msgspec.UnsetType = msgspec.UNSET
    kept_h: Hours = 720
    leaves: bool = True
    templates: Words = ()


class DefaultContract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of a ``default-contract.yaml``: what a profile's contract leaves out."""

    version: Literal[1]
    camera: CameraRule = CameraRule()
    alert: AlertRule = AlertRule()
    result: ResultRule = ResultRule()
    metric: MetricRule = MetricRule()
    log: LogRule = LogRule()


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of a ``contract.yaml``."""

    version: Literal[1]
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    fields: Annotated[dict[str, FieldRule], msgspec.Meta(max_length=64)] = {}
    camera: CameraRule = CameraRule()
    alert: AlertRule = AlertRule()
    result: ResultRule = ResultRule()
    metric: MetricRule = MetricRule()
    log: LogRule = LogRule()


@dataclass(frozen=True, slots=True)
class ContractInForce:
    """A contract and the SHA-256 (hexadecimal) of the text it was read from."""

    contract: Contract
    sha256: str
