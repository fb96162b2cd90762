"""Which addresses callrouter connects to. ``ipaddress.is_global`` differs between Pythons, so the lists are ours."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


#: Where clouds hand out credentials to whoever asks, and what no destination can have.
_NEVER = _networks(
    "169.254.0.0/16",  # link-local; metadata of AWS, Azure, Google, Oracle, Hetzner, DigitalOcean
    "fe80::/10",
    "fd00:ec2::/32",  # AWS metadata over IPv6
    "fd20:ce::/32",  # Google metadata over IPv6
    "100.100.100.200/32",  # Alibaba metadata
    "168.63.129.16/32",  # Azure's wire server
    "192.0.0.192/32",  # Oracle metadata, older
    "224.0.0.0/4",
    "240.0.0.0/4",
    "ff00::/8",
)

#: Everything else that is not the public internet: https://www.iana.org/assignments/iana-ipv4-special-registry
_PRIVATE = _networks(
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fec0::/10",
)

_MAPPED = ip_network("::ffff:0:0/96")
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_6TO4 = ip_network("2002::/16")
_COMPATIBLE = ip_network("::/96")


def refusal(address: str, *, allow_private: bool) -> str | None:
    """Return why *address* (as ``getaddrinfo`` gives it) is not connected to, or None when it may be.

    An IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4) is judged as well.
    """
    parsed = ip_address(address.partition("%")[0])
    every = (parsed, *_inside(parsed))
    if _any_in(every, _NEVER):
        return "a link-local, metadata or multicast address, and those are always refused"
    if not allow_private and _any_in(every, _PRIVATE):
        return "a loopback or private address, and the destination says allow_private: false"
    return None


def in_digits(host: str) -> str | None:
    """Return the address that *host* is, however it is written (``0x7f.1``, ``2852039166``); None for a name."""
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        pass
    try:
        # As the system's own lookup reads it: octal, hexadecimal, fewer than four numbers.
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _inside(address: IPv4Address | IPv6Address) -> Iterable[IPv4Address]:
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    if address in _MAPPED or address in _COMPATIBLE or any(address in network for network in _NAT64):
        yield IPv4Address(number & 0xFFFFFFFF)
    if address in _6TO4:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)


def _any_in(addresses: Iterable[IPv4Address | IPv6Address], networks: tuple[Network, ...]) -> bool:
    return any(address in network for address in addresses for network in networks)
