"""The gateway with a wall clock that a test sets: ``gateway_with_wall.py FILE --config F run``.

FILE holds how many seconds this wall clock is ahead of the machine's. It is the same
composition as ``site-gateway run``; only the argument ``wall_ns`` differs.
"""

import asyncio
import sys
from pathlib import Path

from gateway.app.clock import system_wall_ns
from gateway.app.run import serve
from gateway.config import load


def main() -> None:
    file, _, config, _ = sys.argv[1:]

    def wall_ns() -> int:
        return system_wall_ns() + round(float(Path(file).read_text()) * 1e9)

    path = Path(config)
    asyncio.run(serve(load(path), path.parent, ready=print, wall_ns=wall_ns))


if __name__ == "__main__":
    main()
