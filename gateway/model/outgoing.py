"""The only rows that the uplink knows. No device, no free text, no exact value of a metric.

``privacy/anonymise.py`` is the one place that makes them. A field that is not here
cannot leave the site.
"""

from dataclasses import dataclass

Released = tuple[tuple[str, int | str], ...]
"""Contract fields that may leave: sorted (name, quantised number or label) pairs."""


@dataclass(frozen=True, slots=True, order=True)
class AlertRow:
    """An alert as it leaves. ``time_s`` is Unix time in whole seconds, by the gateway."""

    time_s: int
    kind: str
    severity: str
    label: str
    score_milli: int | None
    """None in every row of a contract that withholds it; words that are withheld are ``other``."""
    fields: Released = ()
    picture: bytes = b""
    """PNG without metadata; empty where the contract keeps pictures on site."""

    def __repr__(self) -> str:
        return f"AlertRow({self.kind}, {self.severity}, picture of {len(self.picture)} bytes)"


@dataclass(frozen=True, slots=True, order=True)
class ResultRow:
    """One inference as it leaves, quantised."""

    time_s: int
    model: str
    label: str
    score_milli: int | None
    latency_tenth_ms: int | None
    fields: Released = ()


@dataclass(frozen=True, slots=True, order=True)
class LogRow:
    """How often a log template of one severity was seen in this batch."""

    template: str
    severity: str
    count: int


OutgoingRow = AlertRow | ResultRow | LogRow
