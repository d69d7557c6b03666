"""From the broker to the disk: contracts, marks, receipts, dead letters."""
