"""Which problems stand now, and what has been counted since the start."""
