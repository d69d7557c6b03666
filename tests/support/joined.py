"""The gateway's trace and the cloud's ledger, joined as an auditor would."""

from collections import Counter
from dataclasses import dataclass

from tests.hil.cloud.stand_in import Cloud
from tests.support.site import Document, Site

ENDED = {"delivered", "aggregated", "expired", "shed", "dead-lettered", "parked"}


@dataclass(frozen=True)
class Joined:
    """Both sides at one moment."""

    trace: list[Document]
    ledger: dict[str, Document]

    def faults(self) -> list[str]:
        """Everything that does not fit: a sentence each, none when all is well."""
        found: list[str] = []
        keys = Counter((m["device"], m["epoch"], m["stream"], m["seq"]) for m in self.trace)
        found += [
            f"message {key} stands {n} times in the trace" for key, n in keys.items() if n > 1
        ]
        rows: Counter[str] = Counter()
        for message in self.trace:
            batch = message["batch"]
            if message["outcome"] != "delivered":
                continue
            if batch not in self.ledger:
                found.append(f"{message} was delivered, and the cloud does not have its batch")
            elif self.ledger[batch]["class"] != message["class"]:
                found.append(f"{message} was delivered as {self.ledger[batch]['class']}")
            else:
                rows[batch] += 1
        found += [
            f"batch {batch} has {entry['rows']} rows in the cloud and {rows[batch]} in the trace"
            for batch, entry in self.ledger.items()
            if entry["rows"] != rows[batch]
        ]
        return found

    def gaps(self) -> list[str]:
        """Numbers that are missing below the highest of their stream."""
        streams: dict[tuple[str, int, str], set[int]] = {}
        for m in self.trace:
            streams.setdefault((m["device"], m["epoch"], m["stream"]), set()).add(m["seq"])
        return [
            f"{stream}: {sorted(missing)}"
            for stream, seqs in streams.items()
            if (missing := set(range(1, max(seqs) + 1)) - seqs)
        ]

    def count(self, message_class: str, outcome: str) -> int:
        return sum(m["class"] == message_class and m["outcome"] == outcome for m in self.trace)


def join(site: Site, cloud: Cloud) -> Joined:
    """Look at both sides; the gateway must have nothing under way, or a batch may be between."""
    entries = [
        {"class": entry.class_, "batch": entry.batch, "rows": entry.rows, "times": entry.times}
        for entry in cloud.ledger()
    ]
    return Joined(site.trace(), {str(entry["batch"]): entry for entry in entries})
