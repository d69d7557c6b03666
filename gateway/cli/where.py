"""Which configuration a command means: ``--config``, else the one that is there."""

import argparse
from pathlib import Path
from typing import Final

from gateway.cli.profile import CONFIG_FILES

Commands = argparse._SubParsersAction  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- it has no public name

HELP: Final = (
    "the site's configuration (default: .site/gateway.toml where a virtual line runs, "
    "else /etc/site-gateway/gateway.toml)"
)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Let a command take ``--config`` after its name, too."""
    # SUPPRESS, else the default would overrule a --config that stands before the command.
    parser.add_argument("--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help=HELP)


def config_path(arguments: argparse.Namespace) -> Path:
    """Return the configuration file that the command means."""
    named: Path | None = getattr(arguments, "config", None)
    return named or next((one for one in CONFIG_FILES if one.is_file()), CONFIG_FILES[-1])
