"""A port of 127.0.0.1 that a server under test may take."""

import random
import socket

BELOW_EPHEMERAL = range(12_000, 20_000)
"""The kernel gives none of these to an outgoing connection while the server is down."""


def free_port() -> int:
    for port in random.sample(BELOW_EPHEMERAL, len(BELOW_EPHEMERAL)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    msg = "no port is free"
    raise OSError(msg)
