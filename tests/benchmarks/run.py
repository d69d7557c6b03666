"""All benchmarks, one after the other: what ``make bench`` runs.

    python -m tests.benchmarks.run [NAME ...] [--quick] [--rounds N] [--json]

Each prints a table with a reference that was measured in the same run: on a busy machine
the ratios say more than the numbers.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.benchmarks import drain, encryption, flash, inference, ingest, latency, start
from tests.benchmarks.device import LoadError
from tests.benchmarks.procfs import machine
from tests.benchmarks.report import Options, Report, options, say, show

FLEET: Final = 500
"""As many devices as one gateway serves."""

ALL: Final[dict[str, Callable[[Options], Report]]] = {
    "ingest": lambda wanted: asyncio.run(ingest.measure(wanted)),
    "fleet": lambda wanted: asyncio.run(ingest.measure(replace(wanted, devices=FLEET))),
    "latency": lambda wanted: asyncio.run(latency.measure(wanted)),
    "flash": lambda wanted: asyncio.run(flash.measure(wanted)),
    "inference": inference.measure,
    "drain": drain.measure,
    "encryption": encryption.measure,
    "start": start.measure,
}


def main(arguments: list[str]) -> int:
    """Run what is named, or all; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left behind
    wanted, as_json, names = options(__doc__, arguments)
    unknown = [name for name in names if name not in ALL]
    if unknown:
        sys.stderr.write(f"no benchmark {unknown[0]!r}: there are {', '.join(ALL)}\n")
        return 2
    _introduce(as_json=as_json)
    for name in names or ALL:
        try:
            show(ALL[name](wanted), as_json=as_json)
        except LoadError as error:
            sys.stderr.write(f"{name}: not measured: {error}\n")
            return 1
    return 0


def _introduce(*, as_json: bool) -> None:
    known = machine()
    if as_json:
        say(json.dumps({"name": "machine", **known}))
    else:
        for what, value in known.items():
            say(f"  {what:9}  {value}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
