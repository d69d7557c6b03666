"""The command of the virtual line: ``python -m hil.virtualline run``.

Exit codes: 0 ended when asked to, 1 a part failed, 2 unusable input.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hil.virtualline.ports import PortTakenError
from hil.virtualline.runner import AlreadyRunningError, Limits, run
from hil.virtualline.site import Programs, Wishes

DEVICES_MAX: Final = 99
RATE_MAX: Final = 1000.0


def main(
    arguments: Sequence[str] | None = None,
    programs: Programs | None = None,
    limits: Limits | None = None,
) -> int:
    """Run the command with the installed programs, or with ``programs``; return the exit code."""
    options = _parser().parse_args(arguments)
    wishes = Wishes(options.devices, options.rate, options.wan, options.profile)
    try:
        return run(options.dir, wishes, programs or installed(), limits or Limits())
    except (AlreadyRunningError, PortTakenError, NotInstalledError) as fault:
        print(f"hil.virtualline: {fault}", file=sys.stderr)
        return 2


class NotInstalledError(Exception):
    """The gateway's command is not in this environment."""


def installed() -> Programs:
    """Return the programs of this environment.

    Raises:
        NotInstalledError: it has no ``site-gateway``.
    """
    python = sys.executable
    gateway = Path(python).with_name("site-gateway")
    if not gateway.exists():
        msg = f"there is no {gateway}: run `make setup` first"
        raise NotInstalledError(msg)
    return Programs(
        gateway=[str(gateway)],
        cloud=[python, "-m", "hil.cloud"],
        device=[python, "-m", "hil.linedevice"],
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hil.virtualline", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    text = "run a cloud stand-in, a gateway and devices until Ctrl-C"
    command = commands.add_parser("run", help=text, description=text)
    command.add_argument(
        "--dir", type=Path, default=Path(".site"), help="all its state; default: .site"
    )
    command.add_argument("--devices", type=_count, default=4, help="default: 4")
    command.add_argument(
        "--rate", type=_rate, default=2.0, help="images a second and device; default: 2"
    )
    command.add_argument("--wan", choices=("up", "down"), default="up", help="default: up")
    command.add_argument("--profile", default="virtual-camera", help="of devices that are added")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= DEVICES_MAX:
        msg = f"{number} devices: use 0 to {DEVICES_MAX}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _rate(text: str) -> float:
    number = float(text)
    if not 0 < number <= RATE_MAX:
        msg = f"a rate of {number:g}: use more than 0 and at most {RATE_MAX:g}"
        raise argparse.ArgumentTypeError(msg)
    return number


if __name__ == "__main__":
    sys.exit(main())
