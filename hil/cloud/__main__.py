"""The commands of the cloud stand-in: ``python -m hil.cloud ...``.

Exit codes: 0 done, 1 failed, 2 unusable input.
"""

import argparse
import asyncio
import ipaddress
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

import msgspec

from hil.cloud.batch import examine
from hil.cloud.ledger import Entry, LedgerReader
from hil.cloud.mode import Fault, FaultKind, ModeFaultError, ModeFile, Wan
from hil.cloud.presence import AlreadyServedError, Presence
from hil.cloud.records import pictures, plain_bytes, readable, records
from hil.cloud.refusal import Refusal
from hil.cloud.table import HEAD, line, summary
from hil.cloud.wan import HOST

WATCH_PERIOD_S: Final = 0.25
EFFECT_TIMEOUT_S: Final = 10
SAMPLED_BATCHES: Final = 100
SITE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)


class UnusableInputError(Exception):
    """What was asked cannot be done with what was given; the person at the terminal must act."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (UnusableInputError, ModeFaultError, AlreadyServedError) as fault:
        print(f"hil.cloud: {fault}", file=sys.stderr)
        return 2
    except OSError as fault:
        print(f"hil.cloud: {fault}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 0


def _init(options: argparse.Namespace) -> int:
    from hil.cloud import pki  # noqa: PLC0415  # loads slowly, and only this command needs it

    made = pki.ensure(
        options.dir, options.site, datetime.now(UTC), options.client_days, options.address
    )
    print(f"{options.dir}: {'made ' + ', '.join(made) if made else 'complete, nothing to make'}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    from hil.cloud.server import serve  # noqa: PLC0415  # the same

    _initialised(options.dir)

    async def until_told() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(options.dir, options.listen, options.port, stop)

    asyncio.run(until_told())
    return 0


def _wan(options: argparse.Namespace) -> int:
    _initialised(options.dir)
    wanted: Wan = options.state
    ModeFile(options.dir).change(lambda mode: msgspec.structs.replace(mode, wan=wanted))
    presence = Presence(options.dir)
    if not presence.running():
        print(f"WAN {wanted} from the next start on: no server runs on {options.dir}")
        return 0
    if not presence.wait_for_wan(wanted, EFFECT_TIMEOUT_S):
        print(f"hil.cloud: the server did not follow in {EFFECT_TIMEOUT_S} s", file=sys.stderr)
        return 1
    print(f"WAN {wanted}")
    return 0


def _fault(options: argparse.Namespace) -> int:
    _initialised(options.dir)
    fault = Fault()
    if options.kind != "none":
        ordered = {
            "kind": options.kind,
            "remaining": options.count,
            "delay_s": options.seconds,
            "status": options.status,
            "about": options.about,
        }
        try:
            fault = msgspec.convert(ordered, Fault)
        except msgspec.ValidationError as error:
            msg = f"fault {options.kind}: {error}"
            raise UnusableInputError(msg) from error
    # No waiting: the server reads the order anew at each upload.
    ModeFile(options.dir).change(lambda mode: msgspec.structs.replace(mode, fault=fault))
    reach = "from now on" if options.count is None else f"for {options.count} uploads"
    print("no fault" if options.kind == "none" else f"fault {options.kind} {reach}")
    return 0


def _ledger(options: argparse.Namespace) -> int:
    _initialised(options.dir)
    reader = LedgerReader(options.dir)
    if not options.json:
        print(HEAD)
    seen = 0
    while True:
        for entry in reader.entries(after_arrival=seen):
            seen = entry.arrival
            print(_json_line(entry) if options.json else line(entry), flush=True)
        if not options.watch:
            return 0
        time.sleep(WATCH_PERIOD_S)


def _json_line(entry: Entry) -> str:
    return json.dumps(
        {
            "batch": entry.batch,
            "class": entry.class_,
            "rows": entry.rows,
            "items": entry.items,
            "received_ms": entry.received_ms,
            "times": entry.times,
            "resent": entry.resent,
        }
    )


def _show(options: argparse.Namespace) -> int:
    _initialised(options.dir)
    reader = LedgerReader(options.dir)
    found = reader.matching(options.batch)
    if len(found) != 1:
        many = "more than one batch begins" if found else "no batch begins"
        msg = f"{many} with {options.batch!r}; `ledger --json` prints the whole names"
        raise UnusableInputError(msg)
    entry = found[0]
    body = reader.body(entry.batch)
    if body is None:
        msg = f"batch {entry.batch} is counted, but its body is no longer kept"
        raise UnusableInputError(msg)
    batch = examine(entry.batch, body)
    if isinstance(batch, Refusal):
        print(f"hil.cloud: the kept body is damaged: {batch.detail}", file=sys.stderr)
        return 1
    rows = records(batch)
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
        for at, picture in pictures(rows):
            (options.pictures / f"{entry.batch[:16]}-{at}.png").write_bytes(picture)
    document = batch.document
    facts = {
        "batch": entry.batch,
        "class": document.class_,
        "site": document.site,
        "contract": document.contract,
        "privacy": document.privacy,
        "rows": document.rows,
        "items": document.items,
        "received_ms": entry.received_ms,
        "times": entry.times,
        "resent": entry.resent,
        "records": [readable(row) for row in rows],
    }
    print(json.dumps(facts, indent=2, ensure_ascii=False))
    return 0


def _summary(options: argparse.Namespace) -> int:
    _initialised(options.dir)
    reader = LedgerReader(options.dir)
    totals = reader.totals()
    against_plain: dict[str, float] = {}
    for total in totals:
        sample = reader.newest(total.class_, SAMPLED_BATCHES)
        batches = [(examine(digest, body), len(body)) for digest, body in sample]
        plain = sum(plain_bytes(records(b)) for b, _ in batches if not isinstance(b, Refusal))
        if sent := sum(size for _, size in batches):
            against_plain[total.class_] = plain / sent
    if options.json:
        for total in totals:
            facts = {"class" if k == "class_" else k: v for k, v in total._asdict().items()}
            print(json.dumps({**facts, "plain_ratio": against_plain.get(total.class_)}))
        return 0
    print("\n".join(summary(totals, against_plain)))
    return 0


def _initialised(folder: Path) -> None:
    if not (folder / "ca.pem").exists():
        msg = f"{folder} holds no cloud: run `init --dir {folder} --site NAME` first"
        raise UnusableInputError(msg)


def _site(text: str) -> str:
    if SITE.fullmatch(text) is None:
        msg = f"{text!r} is no site name: use 1 to 63 of a-z, 0-9 and '-'"
        raise argparse.ArgumentTypeError(msg)
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hil.cloud", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], help_text: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help_text, description=help_text)
        made.add_argument(
            "--dir", type=Path, default=Path(".site/cloud"), help="default: .site/cloud"
        )
        made.set_defaults(run=run)
        return made

    init = command("init", _init, "make keys and certificates where they are missing")
    init.add_argument("--site", required=True, type=_site, help="the client certificate's name")
    init.add_argument(
        "--client-days",
        type=int,
        help="make the client certificate anew, to end in so many days; -1 makes an expired one",
    )

    init.add_argument(
        "--address",
        type=ipaddress.ip_address,
        help="of the server, beside localhost; stands in its certificate when that is made",
    )

    run = command("serve", _serve, "receive batches over HTTPS")
    run.add_argument("--port", type=int, default=0, help="default: the last one, else a free one")

    run.add_argument("--listen", default=HOST, help=f"address; default: {HOST}")

    wan = command("wan", _wan, "cut the receiver off, or let it serve again")
    wan.add_argument("state", choices=("up", "down"))

    fault = command("fault", _fault, "misbehave at the next uploads")
    fault.add_argument("kind", choices=KINDS)
    fault.add_argument("--count", type=int, help="how many uploads; default: until `fault none`")
    fault.add_argument("--seconds", type=float, default=5.0, help="of slow and retry-after")
    fault.add_argument("--status", type=int, default=503, help="of refuse and poison")
    fault.add_argument(
        "--about", default="", help="of poison: batches that hold this word meet it, no others"
    )

    ledger = command("ledger", _ledger, "print what arrived, one line a batch")
    ledger.add_argument("--json", action="store_true", help="one JSON object a line")
    ledger.add_argument("--watch", action="store_true", help="go on as batches arrive")

    show = command("show", _show, "decode one batch")
    show.add_argument("batch", help="its digest, or the beginning of it")
    show.add_argument("--pictures", type=Path, metavar="DIR", help="write the pictures there")

    total = command("summary", _summary, "rows a class, and what compression saved")
    total.add_argument("--json", action="store_true", help="one JSON object a class")
    return parser


if __name__ == "__main__":
    sys.exit(main())
