"""The gateway, ended by SIGKILL at a named point: ``gateway_at_point.py POINT NTH --config F run``.

It is the same composition as ``site-gateway run``; only the argument ``point`` differs.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from gateway.app.run import serve
from gateway.config import load


def main() -> None:
    wanted, nth, _, config, _ = sys.argv[1:]
    left = int(nth)

    def point(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    path = Path(config)
    asyncio.run(serve(load(path), path.parent, ready=print, point=point))


if __name__ == "__main__":
    main()
