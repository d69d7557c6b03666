import pytest

from gateway.identity.names import (
    check_interfaces,
    dns_name,
    ip_network,
    outside,
    permitted,
    server_names,
    site_name,
)


@pytest.mark.parametrize("text", ["plant-a", "7", "a" * 63])
def test_a_good_site_name_is_taken_as_it_is(text):
    assert site_name(text) == text


@pytest.mark.parametrize("text", ["", "Plant", "plant_a", "-a", "a-", "a" * 64, "a.b", "a\n", "é"])
def test_a_bad_site_name_is_refused_with_the_rule(text):
    with pytest.raises(ValueError, match="is no site name: use 1 to 63 of a-z, 0-9 and '-'"):
        site_name(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("300.1.1.1", "is no IP address"),
        ("0.0.0.0", "is no address of one machine"),  # noqa: S104  # nothing is bound
        ("::", "is no address of one machine"),
        ("224.0.0.1", "is no address of one machine"),
        ("255.255.255.255", "is no address of one machine"),
        ("fe80::1%eth0", "without zone"),
        ("::ffff:10.0.0.1", "as plain IPv4"),
        ("10.0.0.1/33", "the length of the network"),
        ("10.0.0.1/", "the length of the network"),
        ("10.0.0.1/0", "a network this wide limits nothing; use /8 or longer"),
        ("fd00::1/16", "a network this wide limits nothing; use /32 or longer"),
    ],
)
def test_an_address_that_no_device_can_use_is_refused_with_the_reason(text, why):
    with pytest.raises(ValueError, match=why):
        ip_network(text)


def test_an_address_without_a_length_may_not_move():
    address, network = ip_network("192.168.7.5")
    assert (str(address), str(network)) == ("192.168.7.5", "192.168.7.5/32")
    address, network = ip_network("192.168.7.5/24")
    assert (str(address), str(network)) == ("192.168.7.5", "192.168.7.0/24")


@pytest.mark.parametrize("text", ["", "GW", "a..b", "a.b.", "*.a", "a_b", "10.1", "-a.b", "a" * 64])
def test_a_bad_host_name_is_refused(text):
    with pytest.raises(ValueError, match="is no host name"):
        dns_name(text)


def test_the_server_certificate_names_every_address_once_and_always_the_gateway():
    names = server_names("plant-a", ["192.168.7.5", "gw.example", "192.168.7.5", "10.0.0.9", "::1"])
    assert names.texts() == (
        "10.0.0.9",
        "192.168.7.5",
        "::1",
        "gateway.plant-a.site-gateway.internal",
        "gw.example",
    )


def test_more_addresses_than_a_certificate_should_bear_are_refused():
    with pytest.raises(ValueError, match="33 addresses: at most 32"):
        server_names("plant-a", [f"10.0.0.{last}" for last in range(1, 33)])


def test_a_name_outside_is_told_from_one_below():
    allowed = permitted("plant-a", [ip_network("10.0.0.0/24")[1]], ["gw.example"])
    names = server_names(
        "plant-a", ["10.0.0.200", "10.0.1.1", "fd00::1", "b.gw.example", "notgw.example"]
    )
    assert outside(allowed, names) == ("10.0.1.1", "fd00::1", "notgw.example")


def test_an_address_that_this_machine_lacks_is_a_finding_with_the_way_out():
    (finding,) = check_interfaces(
        ["127.0.0.1", "10.9.9.9", "gw.example", "0:0::1"], ["127.0.0.1", "::1", "192.168.7.5"]
    )
    assert finding == (
        "10.9.9.9 is on no interface of this machine (it has: 127.0.0.1, 192.168.7.5, ::1); "
        "devices will not reach the gateway there unless a router forwards it: correct the "
        "address, or add it to an interface"
    )
