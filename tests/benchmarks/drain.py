"""How fast a backlog leaves: rows a second from the queue's disk to the cloud's.

    python -m tests.benchmarks.drain [--quick] [--json]

A queue that an outage has filled is sent by a real gateway to the cloud stand-in, over mutual
TLS on 127.0.0.1: read, opened, anonymised, sealed, committed, posted, echoed, committed. Both
sides commit to the same disk. The reference is a client that does nothing but post the same
batches to the same stand-in, which takes them a second time.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.model.outcome import MessageClass
from hil.cloud.ledger import LedgerReader
from tests.benchmarks.device import LoadError
from tests.benchmarks.procfs import cpu_us
from tests.benchmarks.report import Options, Report, middle, options, show
from tests.hil.cloud.stand_in import CONTENT_TYPE, Cloud
from tests.support.backlog import pile_up
from tests.support.site import Site

ROWS: Final = 60_000
DEVICES: Final = 20
SHARES: Final = [MessageClass.RESULT] * 80 + [MessageClass.LOG] * 20
RATE_LIMIT: Final = 5_000.0
DRAIN_LIMIT_S: Final = 120.0
LOOK_EVERY_S: Final = 0.02


@dataclass(frozen=True)
class Drain:
    """What one way took."""

    rows_s: float
    cpu_us: float
    bytes_row: float


def measure(wanted: Options) -> Report:
    """Drain and post in turns."""
    rows = max(2_000, round(ROWS * wanted.share))
    drains: list[Drain] = []
    posts: list[Drain] = []
    for _ in range(wanted.rounds):
        with tempfile.TemporaryDirectory(prefix="sg-cloud-") as folder:
            cloud = Cloud(Path(folder))
            cloud.init()
            cloud.start()
            try:
                drains.append(_drain(cloud, rows))
                posts.append(_post(cloud, rows))
            finally:
                cloud.close()
    report = Report(
        "drain",
        f"A backlog of {rows:,} rows to the cloud, medians of {wanted.rounds}",
        ("rows/s", "CPU us/row", "bytes/row"),
    )
    for name, found in (("gateway", drains), ("posts alone", posts)):
        report.rows[name] = (
            middle([one.rows_s for one in found]),
            middle([one.cpu_us for one in found]),
            middle([one.bytes_row for one in found]),
        )
    report.ratios["rows/s: gateway / posts alone"] = middle(
        [drain.rows_s / post.rows_s for drain, post in zip(drains, posts, strict=True)]
    )
    rate = report.rows["gateway"][0] or 0.0
    report.reached[f"seconds for {RATE_LIMIT:,.0f} rows"] = (RATE_LIMIT / max(rate, 1e-9), 1.0)
    return report


def _drain(cloud: Cloud, rows: int) -> Drain:
    with Site(name="plant-a", cloud=cloud) as site:
        for number in range(DEVICES):
            site.device(f"cam-{number:02d}")
        asyncio.run(pile_up(site, rows, SHARES, DEVICES))
        cloud.run("wan", "down")
        site.start()
        assert site.process is not None
        before = cpu_us(site.process.pid)
        cloud.run("wan", "up")
        ledger = LedgerReader(cloud.folder)

        def arrived() -> int:
            return sum(total.rows for total in ledger.totals())

        _until(lambda: arrived() > 0, "the first batch")
        first, began = arrived(), time.perf_counter()
        _until(lambda: arrived() >= rows, f"{rows} rows")
        took = time.perf_counter() - began
        cpu = cpu_us(site.process.pid) - before
        sent = sum(total.wire_bytes for total in ledger.totals())
        return Drain((rows - first) / took, cpu / rows, sent / rows)


def _post(cloud: Cloud, rows: int) -> Drain:
    ledger = LedgerReader(cloud.folder)
    bodies = [(entry.batch, ledger.body(entry.batch) or b"") for entry in ledger.entries()]
    connection = cloud.connect()
    began, cpu = time.perf_counter(), time.process_time()
    try:
        for name, body in bodies:
            headers = {
                "Content-Type": CONTENT_TYPE,
                "Content-Encoding": "zstd",
                "Idempotency-Key": name,
            }
            connection.request("POST", f"/v1/batches/{name}", body, headers)
            answer = connection.getresponse()
            if json.loads(answer.read())["batch"] != name:
                msg = "the stand-in did not echo a batch"
                raise LoadError(msg)
    finally:
        connection.close()
    took, used = time.perf_counter() - began, time.process_time() - cpu
    return Drain(rows / took, 1e6 * used / rows, sum(len(body) for _, body in bodies) / rows)


def _until(see: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + DRAIN_LIMIT_S
    while not see():
        if time.monotonic() > limit:
            msg = f"not within {DRAIN_LIMIT_S:g} s: {what}"
            raise LoadError(msg)
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    chosen, as_json, _ = options(__doc__, sys.argv[1:])
    show(measure(chosen), as_json=as_json)
