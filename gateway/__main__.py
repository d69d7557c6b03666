"""The program ``site-gateway``: one command a noun; see ``gateway/cli``."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final

from gateway.cli.exits import DONE
from gateway.cli.where import HELP

NOUNS: Final = (
    "init",
    "run",
    "status",
    "audit",
    "backup",
    "config",
    "clock",
    "contract",
    "device",
    "keys",
    "profile",
    "spool",
)


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of the whole program, or of the commands that ``words`` name.

    Loading all of them takes a second on a small machine, and most need a tenth of it.
    """
    whole = argparse.ArgumentParser(
        prog="site-gateway",
        description="The gateway of one factory site.",
        epilog="Exit codes: 0 done, 1 failed, 2 unusable input or usage, 3 refused by a "
        "decision, 4 gateway not reachable.",
    )
    whole.add_argument("--version", action="version", version=version("site-gateway"))
    whole.add_argument("--config", type=Path, metavar="FILE", help=HELP)
    commands = whole.add_subparsers(dest="noun", metavar="COMMAND", required=True)
    for noun in [each for each in NOUNS if each in words] or NOUNS:
        import_module(f"gateway.cli.{noun}").add_parser(commands)
    return whole


def main() -> int:
    """Run one command and return its exit code."""
    arguments = parser(sys.argv[1:]).parse_args()
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output (head, less) has seen enough. Python flushes once more
        # when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return code


if __name__ == "__main__":
    sys.exit(main())
