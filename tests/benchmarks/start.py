"""How long a start takes until page and broker serve, with a million messages in the queue.

A queue without messages is the reference. The full one is started after a stop in order;
after a kill, when its pages are looked at in the background; and with a damaged page that is
known of, when all messages are taken over into a new file first.
"""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.app.opened import opened
from gateway.config import load
from gateway.model.message import Message
from gateway.model.outcome import MessageClass
from gateway.spool import store
from tests.benchmarks.report import Options, Report, middle
from tests.support.power_cut import Files
from tests.support.site import Site
from tests.support.spooled import message

ROWS: Final = 1_000_000
A_COMMIT: Final = 10_000
DEVICES: Final = 20
LIMIT_S: Final = 5.0
EMPTY_LIMIT_S: Final = 2.0
PROFILE: Final = "virtual-camera"
# Of a hundred messages: as a line of cameras sends them.
SHARES: Final = (
    [MessageClass.ALERT] * 2
    + [MessageClass.ERROR_LOG] * 3
    + [MessageClass.METRIC] * 15
    + [MessageClass.LOG] * 20
    + [MessageClass.RESULT] * 60
)


def measure(options: Options) -> Report:
    """Start a gateway over and over, without a cloud."""
    rows = max(1_000, round(ROWS * options.share))
    report = Report(
        "start",
        f"Start to serving, {rows:,} messages in the queue, median of {options.rounds}",
        ("s", "RSS MB", "file MB"),
    )
    with Site() as site:
        for number in range(DEVICES):
            site.device(f"cam-{number:02d}")
        _started(site, 1, killed=False)  # so that nobody reads the programs from the disk
        report.rows["empty"] = _started(site, options.rounds, killed=False)
        asyncio.run(_fill(site, rows))
        report.rows["full, stopped in order"] = _started(site, options.rounds, killed=False)
        report.rows["full, killed"] = _started(site, options.rounds, killed=True)
        _damage(Files(site.state_dir))
        report.rows["full, salvaged"] = _started(site, 1, killed=False)
    found = {name: row[0] or 0.0 for name, row in report.rows.items()}
    report.ratios = {
        f"{name} / empty": found[name] / found["empty"] for name in found if name != "empty"
    }
    report.reached = {
        "start with a full queue, s": (
            max(found["full, stopped in order"], found["full, killed"]),
            LIMIT_S,
        ),
        "start with an empty queue, s": (found["empty"], EMPTY_LIMIT_S),
    }
    return report


def _started(site: Site, rounds: int, *, killed: bool) -> tuple[float, float, float]:
    took: list[float] = []
    memory_mb = 0.0
    for _ in range(rounds):
        if killed:
            site.start()
            site.kill()
        began = time.perf_counter()
        status = site.start()
        took.append(time.perf_counter() - began)
        memory_mb = max(memory_mb, _peak_mb(status["pid"]))
        assert site.stop() == 0
    file_mb = (site.state_dir / "spool.db").stat().st_size / 1e6
    return middle(took), memory_mb, file_mb


def _damage(files: Files) -> None:
    """Zero a page in the middle, as if the process before had met it."""
    leaves = files.leaves("message")
    files.overwrite(leaves[len(leaves) // 2], bytes(files.page_bytes()))
    with closing(sqlite3.connect(files.state)) as state, state:
        state.execute("UPDATE spool_file SET ended_ms = 5, set_aside = 'spool.db.aside-1'")


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


async def _fill(site: Site, rows: int) -> None:
    """Put messages into the queue as its own program does, encrypted, many in a commit."""
    async with opened(load(site.config)) as files:
        contract = files.catalogue[PROFILE][1]
        now = files.clock.site()

        def made(number: int) -> Message:
            device, place = f"cam-{number % DEVICES:02d}", number // DEVICES + 1
            return message(place, SHARES[number % 100], contract=contract, device=device)

        for first in range(0, rows, A_COMMIT):
            some = [made(number) for number in range(first, min(rows, first + A_COMMIT))]
            await files.spool.write(store.enqueue, some, now, files.contracts, files.keys.cipher)
