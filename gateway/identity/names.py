"""Which names this site's certificates may bear, and which the server certificate needs. Pure.

Every certificate of a site bears a DNS name below ``<site>.site-gateway.internal``; the
server certificate adds the addresses that devices connect to. The site CA may certify
nothing else (RFC 5280, 4.2.1.10), so a stolen CA key is worth nothing outside the site.
An address may carry the length of its network (``192.168.7.5/24``): then it can later
move inside that network without a new CA.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.identity.limits import ADDRESSES_MAX

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# ICANN reserved .internal for private use in 2024: nobody can ever own such a name.
SUFFIX: Final = "site-gateway.internal"
SITE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DNS_CHARS_MAX: Final = 253


@dataclass(frozen=True, slots=True)
class ServerNames:
    """The names in a server certificate, sorted, without duplicates."""

    ips: tuple[IpAddress, ...]
    dns: tuple[str, ...]

    def texts(self) -> tuple[str, ...]:
        """Return all names as a person writes them, addresses first."""
        return (*map(str, self.ips), *self.dns)


@dataclass(frozen=True, slots=True)
class Permitted:
    """What the site CA may certify. A DNS entry covers itself and all names below it."""

    networks: tuple[IpNetwork, ...]
    dns: tuple[str, ...]


def site_name(text: str) -> str:
    """Return ``text`` as the name of a site.

    Raises:
        ValueError: it is not of the form ``[a-z0-9][a-z0-9-]{0,62}``, ending in no ``-``.
    """
    if SITE_NAME.fullmatch(text) is None or text.endswith("-"):
        msg = (
            f"{text!r} is no site name: use 1 to 63 of a-z, 0-9 and '-', "
            "beginning and ending with a letter or digit"
        )
        raise ValueError(msg)
    return text


def site_domain(site: str) -> str:
    """Return the domain below which all names of the site lie."""
    return f"{site}.{SUFFIX}"


def gateway_name(site: str) -> str:
    """Return the DNS name that the server certificate always bears.

    A device id may not be ``gateway``: the two would share this name.
    """
    return f"gateway.{site_domain(site)}"


def device_name(site: str, device: str) -> str:
    """Return the DNS name in a device's certificate. No resolver knows it."""
    return f"{device}.{site_domain(site)}"


def ip_address(text: str) -> IpAddress:
    """Return ``text`` as an address that a device can connect to.

    Raises:
        ValueError: it is no IP address, or one that no device can connect to.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        msg = f"{text!r} is no IP address: write it as 192.168.7.5 or fd00::5"
        raise ValueError(msg) from None
    if address.is_unspecified or address.is_multicast or text == "255.255.255.255":
        msg = f"{text} is no address of one machine: give the one that devices connect to"
        raise ValueError(msg)
    if isinstance(address, ipaddress.IPv6Address) and (
        address.scope_id is not None or address.ipv4_mapped is not None
    ):
        msg = f"{text} cannot stand in a certificate: give it without zone and as plain IPv4"
        raise ValueError(msg)
    return address


def ip_network(text: str) -> tuple[IpAddress, IpNetwork]:
    """Return the address in ``text`` and the network in which it may move.

    Without a length (``192.168.7.5``) that is the address alone.

    Raises:
        ValueError: as ``ip_address``, or the length is wrong or would permit half the Internet.
    """
    address = ip_address(text.partition("/")[0])
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        msg = f"{text!r}: the length of the network must be a number, as in 192.168.7.5/24"
        raise ValueError(msg) from None
    shortest = 8 if network.version == 4 else 32  # noqa: PLR2004  # an IP version is no magic number
    if network.prefixlen < shortest:
        msg = f"{text}: a network this wide limits nothing; use /{shortest} or longer"
        raise ValueError(msg)
    return address, network


def dns_name(text: str) -> str:
    """Return ``text`` as a host name.

    Raises:
        ValueError: it is no host name in lower case, or looks like an IP address.
    """
    labels = text.split(".")
    good = len(text) <= _DNS_CHARS_MAX and all(_LABEL.fullmatch(label) for label in labels)
    if not good or labels[-1].isdigit():
        msg = f"{text!r} is no host name: use a-z, 0-9, '-' and '.', as in gw.plant.example"
        raise ValueError(msg)
    return text


def server_names(site: str, addresses: Iterable[str]) -> ServerNames:
    """Return the names that the server certificate needs.

    Raises:
        ValueError: an address is neither an IP address nor a host name, or there are too many.
    """
    ips: set[IpAddress] = set()
    dns = {gateway_name(site)}
    for text in addresses:
        if ":" in text or text.rpartition(".")[2].isdigit():
            ips.add(ip_address(text))
        else:
            dns.add(dns_name(text))
    if len(ips) + len(dns) > ADDRESSES_MAX:
        msg = f"{len(ips) + len(dns)} addresses: at most {ADDRESSES_MAX} fit one certificate"
        raise ValueError(msg)
    return ServerNames(tuple(sorted(ips, key=_order)), tuple(sorted(dns)))


def permitted(site: str, networks: Iterable[IpNetwork], dns: Iterable[str]) -> Permitted:
    """Return what the CA of ``site`` may certify, given where its gateway may be found."""
    ordered = sorted(set(networks), key=lambda network: (network.version, str(network)))
    return Permitted(tuple(ordered), (site_domain(site), *sorted(set(dns))))


def outside(allowed: Permitted, names: ServerNames) -> tuple[str, ...]:
    """Return the names that the site CA may not certify."""

    def below(name: str) -> bool:
        return any(name == domain or name.endswith("." + domain) for domain in allowed.dns)

    ips = [
        ip
        for ip in names.ips
        if not any(ip.version == net.version and ip in net for net in allowed.networks)
    ]
    return (*map(str, ips), *(name for name in names.dns if not below(name)))


def check_interfaces(configured: Sequence[str], present: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence for each configured IP address that this machine does not have.

    Findings, not errors: a router may forward an address. Host names are not looked up.
    """
    here = {ipaddress.ip_address(text) for text in present}
    shown = ", ".join(sorted(present)) or "none"
    return tuple(
        f"{text} is on no interface of this machine (it has: {shown}); devices will not reach "
        "the gateway there unless a router forwards it: correct the address, or add it to "
        "an interface"
        for text in configured
        if _ip_or_none(text) is not None and _ip_or_none(text) not in here
    )


def _ip_or_none(text: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _order(address: IpAddress) -> tuple[int, int]:
    return address.version, int(address)
