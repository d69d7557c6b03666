"""The program ``site-gateway``: one command a noun; see ``gateway/cli``."""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from gateway.cli import config, device, init, profile, run, spool, status
from gateway.cli.where import HELP

NOUNS = (init, run, status, config, device, profile, spool)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole program."""
    whole = argparse.ArgumentParser(
        prog="site-gateway",
        description="The gateway of one factory site.",
        epilog="Exit codes: 0 done, 1 failed, 2 unusable input or usage, 3 refused by a "
        "decision, 4 gateway not reachable.",
    )
    whole.add_argument("--version", action="version", version=version("site-gateway"))
    whole.add_argument("--config", type=Path, metavar="FILE", help=HELP)
    commands = whole.add_subparsers(dest="noun", metavar="COMMAND", required=True)
    for noun in NOUNS:
        noun.add_parser(commands)
    return whole


def main() -> int:
    """Run one command and return its exit code."""
    arguments = parser().parse_args()
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
