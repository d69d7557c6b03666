"""The IP addresses of this machine (adapter: the kernel's route netlink socket).

Netlink rather than a command: a minimal installation has no iproute2.
"""

import ipaddress
import socket
import struct
from collections.abc import Iterator

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_REQUEST_DUMP = 0x001 | 0x300
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_MESSAGE = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ADDRESS = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ANSWER_BYTES_MAX = 65_536
_ANSWER_LIMIT_S = 5.0


def addresses() -> tuple[str, ...]:
    """Return all IPv4 and IPv6 addresses of this machine's interfaces, sorted.

    Raises:
        OSError: the kernel does not answer.
    """
    request = _MESSAGE.pack(_MESSAGE.size + _ADDRESS.size, _RTM_GETADDR, _REQUEST_DUMP, 1, 0)
    request += _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    found: set[str] = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_ANSWER_LIMIT_S)
        kernel.sendto(request, (0, 0))
        more = True
        while more:
            more = False
            for kind, body in _messages(kernel.recv(_ANSWER_BYTES_MAX)):
                if kind == _NLMSG_ERROR:
                    msg = "the kernel refused to list the addresses of its interfaces"
                    raise OSError(msg)
                more = kind != _NLMSG_DONE
                if kind == _RTM_NEWADDR:
                    found.update(_address(body))
    return tuple(sorted(found))


def _messages(answer: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _MESSAGE.size <= len(answer):
        length, kind, _, _, _ = _MESSAGE.unpack_from(answer, at)
        yield kind, answer[at + _MESSAGE.size : at + length]
        at += max(length, _MESSAGE.size) + 3 & ~3  # padded to 4 bytes


def _address(body: bytes) -> Iterator[str]:
    attributes: dict[int, bytes] = {}
    at = _ADDRESS.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        attributes[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += max(length, _ATTRIBUTE.size) + 3 & ~3
    # On a point-to-point link IFA_ADDRESS is the far end, and IFA_LOCAL is ours.
    own = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    if own is not None:
        yield str(ipaddress.ip_address(own))
