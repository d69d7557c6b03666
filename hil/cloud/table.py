"""The ledger as lines for a terminal. Pure."""

from datetime import UTC, datetime
from typing import Final

from hil.cloud.ledger import ClassTotal, Entry

HEAD: Final = "UTC       class     rows   items     bytes   ratio  times  batch"


def line(entry: Entry) -> str:
    """Return one line of the table: time in UTC, ratio of decoded to sent bytes."""
    time = datetime.fromtimestamp(entry.received_ms / 1000, UTC)
    return (
        f"{time:%H:%M:%S}  {entry.class_:<6} {entry.rows:>7} {entry.items:>7} "
        f"{entry.wire_bytes:>9} {ratio(entry.decoded_bytes, entry.wire_bytes):>7} "
        f"{entry.times:>6}  {entry.batch[:16]}"
    )


def summary(totals: list[ClassTotal], against_plain: dict[str, float]) -> list[str]:
    """Return a table of totals, one line a class.

    ``against_plain`` gives, where it is known, how often the sent bytes fit into the same
    records written as compact JSON, one a line.
    """
    lines = ["class   batches     rows    items      bytes   json/zstd  records/sent  again"]
    for total in totals:
        plain = against_plain.get(total.class_)
        lines.append(
            f"{total.class_:<6} {total.batches:>8} {total.rows:>8} {total.items:>8} "
            f"{total.wire_bytes:>10} {ratio(total.decoded_bytes, total.wire_bytes):>11} "
            f"{'-' if plain is None else f'{plain:.1f}x':>13} {total.sent_again:>6}"
        )
    lines += [
        "json/zstd: the batches' own JSON to what was sent; records/sent: the same records as",
        "compact JSON, one a line, to what was sent (of the newest batches of each class)",
    ]
    return lines if totals else ["nothing has arrived yet"]


def ratio(whole: int, sent: int) -> str:
    """Return how often ``sent`` fits into ``whole``, such as ``12.5x``."""
    return f"{whole / sent:.1f}x" if sent else "-"
