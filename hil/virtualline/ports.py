"""Free ports, chosen once and kept in ports.json."""

import errno
import random
import socket
from collections.abc import Iterator
from typing import Final

import msgspec

from hil.virtualline.site import HOST, Ports, Site

FROM: Final = 20_000
TO: Final = 30_000
"""Below the range from which the kernel takes ports for outgoing connections."""


class PortTakenError(Exception):
    """A kept port is in use; the person at the terminal must free it or begin anew."""


def keep(site: Site) -> Ports:
    """Return the ports of ``site``, chosen now if it has none yet.

    Raises:
        PortTakenError: another program listens on one that was chosen earlier.
    """
    try:
        ports = msgspec.json.decode(site.ports.read_bytes(), type=Ports)
    except FileNotFoundError:
        free = _free()
        ports = Ports(broker=next(free), web=next(free), cloud=next(free))
        site.ports.write_bytes(msgspec.json.encode(ports))
        return ports
    for name in ports.__struct_fields__:
        number = getattr(ports, name)
        if not _is_free(number):
            msg = (
                f"port {number}, which {site.ports} keeps for {name}, is in use: "
                f"end the program that listens there, or remove {site.root} to begin anew"
            )
            raise PortTakenError(msg)
    return ports


def _free() -> Iterator[int]:
    candidates = random.sample(range(FROM, TO), TO - FROM)
    yield from (number for number in candidates if _is_free(number))


def _is_free(number: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do after a restart
        try:
            door.bind((HOST, number))
        except OSError as fault:
            if fault.errno == errno.EADDRINUSE:
                return False
            raise
    return True
