"""Which hosts the security proxy may dial, whatever a token says. Sans-I/O.

In: the configured list, an address. Out: the first entry that fits, or None: it may not be dialled.
Names are compared as they are written: a name is not resolved to be found in a network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from ..terms import Address
from .settings import Destination


def find(destinations: Iterable[Destination], address: Address) -> Destination | None:
    """The entry that says how this address is dialled."""
    for entry in destinations:
        first, last = entry.ports
        if first <= address.port <= last and _fits(entry.host, address.host):
            return entry
    return None


def _fits(pattern: str, host: str) -> bool:
    named = _address(host)
    if named is not None:
        network = _network(pattern)
        return network is not None and named.version == network.version and named in network
    wanted, name = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if wanted.startswith("*."):
        label, _, domain = name.partition(".")
        return bool(label) and domain == wanted[2:]
    return name == wanted


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
