"""A device under load: the reference device's own outbox and link, with messages made here.

It puts numbered alerts, results, metrics and logs as fast as its outbox drains, and knows
afterwards which of them have a receipt: all that were ever numbered, less those it holds.
"""

import threading
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from hil.linedevice.connection import read_connection, read_trust
from hil.linedevice.link import Link
from hil.linedevice.outbox import Outbox
from hil.linedevice.payloads import Draft, Last, Stamp, Status, Stream, alert, data

HELD_MAX = 120
"""The load pauses above this: it follows what the gateway takes, and never runs ahead."""
PAUSE_S = 0.002

Number = tuple[str, int]
"""(stream, seq)."""


class LoadedDevice:
    """One device; use as ``with``. ``finish`` stops the load, not the link.

    ``wall_ms`` is what its own clock says: Unix time in milliseconds. ``pace_s`` lies between
    four messages and the next four; 0: as fast as the outbox drains.
    """

    def __init__(self, folder: Path, *, wall_ms: int = 0, pace_s: float = 0.0) -> None:
        connection = read_connection(folder)
        self.name = connection.id
        self._profile = connection.profile
        self.outbox = Outbox(folder / "outbox.db")
        self.epoch = self.outbox.epoch
        self._wall_ms = wall_ms
        self._pace_s = pace_s
        self.said: list[str] = []
        self._ending, self._enough = threading.Event(), threading.Event()
        trust = read_trust(folder, connection)
        self._link = Link(connection, trust, self.outbox, self._describe, self._say, self._ending)
        self._writer = threading.Thread(target=self._write, name=f"load-{self.name}", daemon=True)

    def _describe(self, state: Literal["online", "offline"], last: Last) -> Status:
        return Status(
            state=state,
            profile=self._profile,
            agent="load/1",
            boot="b",
            synced=True,
            slots=(),
            production="running",
            desired_rev=0,
            last=last,
            time=0,
        )

    def _say(self, event: str, **facts: object) -> None:
        if event in {"new-epoch", "refused", "unreadable"}:
            self.said.append(f"{event} {facts}")

    def _write(self) -> None:
        count = 0
        while not self._enough.is_set():
            if len(self.outbox) >= HELD_MAX:
                self._enough.wait(PAUSE_S)
                continue
            self.outbox.put([self._draft(count + n) for n in range(4)])
            self._link.wake()
            count += 4
            self._enough.wait(self._pace_s)

    def _draft(self, count: int) -> Draft:
        stamp = Stamp("b", count, self._wall_ms)
        item: dict[str, object] = {"mono_ms": count}
        match count % 8:
            case 0:
                found = {"kind": "k", "severity": "minor", "label": "defect", "score": 0.5}
                return alert(stamp, {"id": str(count), **found})
            case 4:
                item |= {"name": "n", "value": 1.0}
                return data(stamp, "metric", [item])
            case 6:
                severity = "error" if count % 16 == 6 else "info"
                return data(stamp, "log", [item | {"severity": severity, "template": "tick"}])
            case _:
                seen = {"model": "m@1", "label": "ok", "score": 0.9, "latency_ms": 1.5}
                return data(stamp, "result", [item | seen])

    def numbered(self) -> set[Number]:
        """Every number that was ever given."""
        last = self.outbox.last()
        assert last.epoch == self.epoch, f"{self.name} drew a new epoch: {self.said}"
        return {("alert", n) for n in range(1, last.alert + 1)} | {
            ("data", n) for n in range(1, last.data + 1)
        }

    def receipted(self) -> set[Number]:
        """The numbers that a receipt has covered."""
        held = self.outbox.held()
        return self.numbered() - {(stream.value, seq) for stream in Stream for seq in held[stream]}

    def finish(self) -> None:
        """Put no more messages; the link goes on until the outbox is empty."""
        self._enough.set()
        self._writer.join()

    def __enter__(self) -> Self:
        self._link.start()
        self._writer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()
        self._ending.set()
        self._link.stop()
        self.outbox.close()
        assert self._link.failure is None, self._link.failure
