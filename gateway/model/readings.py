"""True values of metrics. They leave the site only as aggregates with noise.

``uplink`` and ``web`` may not import this file (an import contract holds it), and the
type refuses to print its value, so no log line can leak one.
"""

import msgspec


class MetricItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One reading of a device: ``value`` in ``unit`` at ``mono_ms`` since its boot."""

    mono_ms: int
    name: str
    value: float
    unit: str = ""

    def __repr__(self) -> str:
        return f"MetricItem({self.name}, value=<private>)"
