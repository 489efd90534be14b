"""Wire: the text of an IP address → the one value that stands for it. Sans-I/O.

A dual-stack listener shows an IPv4 client as `::ffff:192.0.2.1`. Everything that compares
addresses (keys, trust, PROXY families) must see the same client either way.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IP = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(4_096)
def ip(host: str) -> IP:
    """The address, IPv4 when it is IPv4 in IPv6's clothes, without a zone (`%eth0`).

    Raises ValueError for a host name.
    """
    return unmapped(ipaddress.ip_address(host.partition("%")[0]))


def same(host: str, other: str) -> bool:
    """Whether both are one address, however it is written. Raises ValueError for host names that
    are not alike."""
    return host == other or ip(host) == ip(other)


def within(host: str, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of these networks."""
    came = ip(host)
    return any(came.version == network.version and came in network for network in networks)


def unmapped(address: IP) -> IP:
    """An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as the IPv4 address that it is."""
    return getattr(address, "ipv4_mapped", None) or address
