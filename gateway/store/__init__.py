"""The SQLite engine: one writer a file, ``synchronous=FULL``, migrations, the state lock."""
