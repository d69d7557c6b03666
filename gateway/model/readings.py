"""True values of metrics. They leave the site only as aggregates with noise.

``uplink`` and ``web`` may not import this file (an import contract holds it), and the
type refuses to print its value, so no log line can leak one.
"""

from typing import Annotated

import msgspec


class MetricItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One reading of a device: ``value`` in ``unit`` at ``mono_ms`` since its boot."""

    mono_ms: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    value: float
    unit: Annotated[str, msgspec.Meta(max_length=16)] = ""

    def __repr__(self) -> str:
        return f"MetricItem({self.name}, value=<private>)"
