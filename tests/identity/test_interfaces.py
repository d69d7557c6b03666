import socket

import pytest

from gateway.identity import interfaces


def test_the_loopback_address_is_on_this_machine():
    assert "127.0.0.1" in interfaces.addresses()


def test_every_listed_address_can_be_bound_and_a_foreign_one_is_not_listed():
    found = interfaces.addresses()
    for address in found:
        if address.startswith("fe80"):  # needs a zone to be bound
            continue
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
        pytest.raises(OSError, match="Cannot assign"),
    ):
        probe.bind(("203.0.113.77", 0))
    assert "203.0.113.77" not in found
