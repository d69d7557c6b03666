"""``site-gateway run``: the gateway itself, until a signal ends it."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from gateway.app.run import serve
from gateway.cli.exits import DONE, FAILED, REFUSED, UNUSABLE
from gateway.cli.where import Commands, add_config, config_path
from gateway.config import Config, ConfigError, load
from gateway.model.errors import OperatorFaultError, RefusedError


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``run`` to the program's commands."""
    parser = commands.add_parser(
        "run",
        help="serve the site until stopped",
        description="Exit codes: 0 stopped, 1 failed, 2 unusable configuration, "
        "3 another gateway holds the state.",
    )
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="say READY as one JSON object")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        path = config_path(arguments)
        config = load(path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return UNUSABLE

    def ready(address: str) -> None:
        line = msgspec.json.encode({"ready": address}).decode()
        print(line if arguments.json else f"serving {address}", flush=True)

    try:
        asyncio.run(_until_signal(config, path.absolute().parent, ready))
    except BaseExceptionGroup as group:
        return _fault(group)
    except (OperatorFaultError, RefusedError) as error:
        print(error, file=sys.stderr)
        return REFUSED if isinstance(error, RefusedError) else FAILED
    return DONE


async def _until_signal(config: Config, folder: Path, ready: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    serving = asyncio.current_task()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        if serving is not None:
            serving.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await serve(config, folder, ready=ready)
    except asyncio.CancelledError:
        if not stopped:
            raise


def _fault(group: BaseExceptionGroup[BaseException]) -> int:
    """Say what an operator can mend in a sentence; a bug keeps its traceback."""
    faults = list(_leaves(group))
    for fault in faults:
        if isinstance(fault, OperatorFaultError):
            print(fault, file=sys.stderr)
        else:
            logging.getLogger(__name__).critical("event=bug", exc_info=fault)
    return FAILED


def _leaves(error: BaseException) -> Iterator[BaseException]:
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    for one in inner:
        yield from _leaves(one)
    if not inner:
        yield error
