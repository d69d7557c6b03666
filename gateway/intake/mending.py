"""What receipt marks need after a salvage: an epoch whose memory has holes gives no receipts.

A mark that is lost cannot be guessed: too high frees what was never stored, too low stores
twice. So such an epoch is called conflicted. The device then draws a new one and sends its
outbox again under new numbers: at least once, and nothing that it still holds is lost.
"""

import sqlite3

from gateway.model.time import SiteTime


def mend(db: sqlite3.Connection, now: SiteTime) -> int:
    """Close every epoch whose marks or digests have holes; return how many they are.

    The queue's own tables tell which numbers were stored.
    """
    db.execute("DELETE FROM seen WHERE origin NOT IN (SELECT id FROM origin)")
    lost = db.execute(
        "INSERT OR IGNORE INTO origin (device, epoch, state, used_ms) "
        "SELECT device, epoch, 'conflicted', ? FROM message GROUP BY device, epoch "
        "UNION SELECT device, epoch, 'conflicted', ? FROM ended WHERE epoch IS NOT NULL "
        "GROUP BY device, epoch",
        (now, now),
    ).rowcount
    # Stored ahead of the mark, and no digest says so: it would be stored a second time.
    holes = db.execute(
        "UPDATE origin SET state = 'conflicted' WHERE state = 'open' AND id IN ("
        "SELECT origin.id FROM (SELECT device, epoch, stream, seq FROM message "
        "UNION ALL SELECT device, epoch, stream, last_seq FROM ended) AS one "
        "JOIN origin ON origin.device = one.device AND origin.epoch = one.epoch "
        "WHERE one.seq > CASE one.stream WHEN 'alert' THEN origin.alert ELSE origin.data END "
        "AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.origin = origin.id "
        "AND seen.stream = one.stream AND seen.seq = one.seq))"
    ).rowcount
    return lost + holes
