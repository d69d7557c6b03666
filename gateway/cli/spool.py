"""``site-gateway spool``: the durable queue; ``trace`` says where each message is."""

import argparse
import asyncio
import sys
from collections import Counter
from contextlib import aclosing

import msgspec

from gateway.app.offline import Places
from gateway.cli import drops, gaps, horizon, parked
from gateway.cli.client import (
    SOCKET_NAME,
    GatewayAnswerError,
    GatewayUnreachableError,
    lines,
)
from gateway.cli.exits import DONE, FAILED, UNREACHABLE, UNUSABLE
from gateway.cli.where import Commands, add_config, config_path
from gateway.config import Config, ConfigError, load
from gateway.model.errors import OperatorFaultError

TRACE = "/v1/trace"


class _Line(msgspec.Struct, frozen=True, rename={"message_class": "class"}):
    device: str
    epoch: int
    stream: str
    seq: int
    message_class: str
    outcome: str
    batch: str | None


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add ``spool`` with its verbs to the program's commands."""
    noun = commands.add_parser("spool", help="look into the durable queue")
    verbs = noun.add_subparsers(dest="verb", metavar="VERB", required=True)
    tracing = verbs.add_parser(
        "trace",
        help="list every message with its outcome and batch",
        description="With --json one line a message {device, epoch, stream, seq, class, outcome, "
        "batch}; without, how many messages of each device and class have which outcome. "
        "Exit codes: 0 done, 1 the trace is not whole, 2 unusable configuration, "
        "4 the gateway does not answer.",
    )
    add_config(tracing)
    tracing.add_argument("--json", action="store_true", help="print one JSON object a message")
    tracing.set_defaults(run=main)
    horizon.add_verb(verbs)
    gaps.add_verb(verbs)
    drops.add_verb(verbs)
    parked.add_verb(verbs)


def main(arguments: argparse.Namespace) -> int:
    """Print the trace and return the exit code."""
    try:
        config = load(config_path(arguments))
        return asyncio.run(_trace(config, as_json=arguments.json))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except GatewayUnreachableError as error:
        print(error, file=sys.stderr)
        return UNREACHABLE
    except OperatorFaultError as error:
        print(error, file=sys.stderr)
        return FAILED


async def _trace(config: Config, *, as_json: bool) -> int:
    counted: Counter[tuple[str, str, str]] = Counter()
    socket_path = Places.of(config).runtime / SOCKET_NAME
    async with aclosing(lines(socket_path, TRACE)) as traced:
        async for line in traced:
            if as_json:
                sys.stdout.buffer.write(line)
            else:
                one = _decoded(line)
                counted[one.device, one.message_class, one.outcome] += 1
    sys.stdout.flush()
    for (device, name, outcome), messages in sorted(counted.items()):
        print(f"{device:24} {name:7} {outcome:18} {messages:>10,}")
    return DONE


def _decoded(line: bytes) -> _Line:
    try:
        return msgspec.json.decode(line, type=_Line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise GatewayAnswerError(TRACE, "a line that is none of a trace") from error
