"""Kinds of value that name places in a network: ports, hosts, networks, listening addresses.

Sans-I/O: names are taken as they are written and resolved by nobody here.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator
from typing import Any, Final

from ..terms import Address
from .values import Refused, Value, choice, either, mapping, matching, quote, several, whole

_RANGE: Final = re.compile(r"(\d{1,5})\s*-\s*(\d{1,5})", re.ASCII)

PORT: Final = whole(1, 65535, 3000)


def port_range(least: int = 1) -> Value:
    """Two ports, both included."""

    def read(raw: Any) -> tuple[int, int]:
        if not isinstance(raw, str) or not (match := _RANGE.fullmatch(raw)):
            raise Refused
        first, last = int(match[1]), int(match[2])
        if first > last:
            raise Refused(f"{quote(raw)} ends before it begins")
        if not least <= first <= last <= 65535:
            raise Refused(f"{quote(raw)} is not within {least}-65535")
        return first, last

    def show(ports: tuple[int, int]) -> str:
        return f"{ports[0]}-{ports[1]}"

    return Value("a range of ports", '"40000-40999"', read, tuple, show)


# -- hosts and networks ----------------------------------------------------------------------------


def is_address(host: str) -> bool:
    """Whether this is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")


def _host(raw: Any) -> str:
    if not isinstance(raw, str):
        raise Refused
    if is_address(raw):
        return str(ipaddress.ip_address(raw))
    if re.fullmatch(r"\[.*\](:\d+)?|[^:]*:\d+", raw):
        raise Refused(
            f"{quote(raw)} has brackets or a port: a server is a host, and its port is the role's "
            "or the frontend's `server_port`"
        )
    if not _DNS_NAME.fullmatch(raw) or raw.rstrip(".").rpartition(".")[2].isdecimal():
        raise Refused
    return raw


HOST: Final = Value("a host's name or address", '"10.0.0.1"', _host, str)


def _network(raw: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if not isinstance(raw, str):
        raise Refused
    try:
        return ipaddress.ip_network(raw)
    except ValueError:
        pass  # perhaps only the host's bits are too many
    try:
        meant = ipaddress.ip_network(raw, strict=False)
    except ValueError:
        raise Refused from None
    raise Refused(f"{quote(raw)} has bits beyond its prefix: did you mean {quote(str(meant))}?")


NETWORK: Final = Value("a network or address", '"10.0.0.0/8"', _network, object, str)

_IN_NETWORK: Final = Value(NETWORK.wants, NETWORK.example, lambda raw: str(_network(raw)), str)


def _feature(raw: Any) -> str:
    if not isinstance(raw, str) or not re.fullmatch(r"[A-Za-z0-9]+( [\x20-\x7e]+)?", raw):
        raise Refused
    return raw


FEATURE: Final = Value("a line of FEAT", '"MLST size*;modify*;"', _feature, str)


def _word(raw: Any) -> str:
    if not isinstance(raw, str) or not re.fullmatch("[A-Za-z0-9]+", raw):
        raise Refused
    return raw.upper()


FEATURE_NAME: Final = Value("the first word of a line of FEAT", '"MLST"', _word, str)


def _ipv4(raw: Any) -> str:
    try:
        return str(ipaddress.IPv4Address(raw if isinstance(raw, str) else ""))
    except ValueError:
        raise Refused from None


ADVERTISE: Final = mapping(
    either(_IN_NETWORK, choice("default")),
    Value("an IPv4 address", '"203.0.113.7"', _ipv4, str),
    alone="default",
)


# -- listening addresses ---------------------------------------------------------------------------

_LISTEN: Final = re.compile(
    r"(?P<host>\*|\[[^\[\]]*\]|[^\[\]:*]+):(?P<first>\d{1,5})(?:\s*-\s*(?P<last>\d{1,5}))?",
    re.ASCII,
)


def _listen(raw: Any) -> tuple[Address, ...]:
    """One `host:port` or `host:first-last`; a range becomes one address per port."""
    if not isinstance(raw, str):
        raise Refused
    match = _LISTEN.fullmatch(raw)
    if match is None:
        address, _, port = raw.rpartition(":")
        if port.isdecimal() and is_address(address):
            bracketed = quote(f"[{address}]:{port}")
            raise Refused(f"{quote(raw)} lacks the brackets of IPv6: {bracketed}")
        raise Refused
    host = match["host"].strip("[]")
    if host != "*" and not is_address(host):
        raise Refused(f'{quote(host)} is a name: listen on an address, or on "*" for all of them')
    if (":" in host) != match["host"].startswith("["):
        raise Refused("only an IPv6 address stands in brackets")
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if first > last:
        raise Refused(f"{quote(raw)} ends before it begins")
    if last > 65535 or (first == 0 and last > 0):
        raise Refused(f"{quote(raw)}: ports go from 1 to 65535, and 0 alone is any free one")
    host = host if host == "*" else str(ipaddress.ip_address(host))
    return tuple(Address(host, port) for port in range(first, last + 1))


def _show_listen(addresses: tuple[Address, ...]) -> list[str]:
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1].port}" for run in runs(addresses)]


def runs(addresses: tuple[Address, ...]) -> Iterator[list[Address]]:
    """Addresses of one host with consecutive ports, together."""
    numbered = enumerate(addresses)
    for _, run in itertools.groupby(numbered, _run_of):
        yield [address for _, address in run]


def _run_of(numbered: tuple[int, Address]) -> tuple[str, int, bool]:
    """What the members of one run have in common; port 0, any free one, is in no range."""
    index, address = numbered
    return address.host, address.port - index, address.port == 0


_ONE_LISTEN: Final = Value("an address and port, or range of ports", '"*:21"', _listen, tuple)
_LISTENS: Final = several(_ONE_LISTEN)

LISTEN: Final = Value(
    _LISTENS.wants,
    '"*:21" or ["10.0.0.1:31000-31099", "[2001:db8::1]:21"]',
    lambda raw: tuple(itertools.chain.from_iterable(_LISTENS.read(raw))),
    tuple,
    _show_listen,
)

# -- what clients show, and where servers are met --------------------------------------------------


def _sni(raw: Any) -> str:
    """A name as the ClientHello shows it: lower case, no trailing dot."""
    if not isinstance(raw, str) or not _DNS_NAME.fullmatch(raw.removeprefix("*.")):
        raise Refused
    return raw.lower().rstrip(".")


SNI: Final = Value("a host name, or `*.` and a domain", '"*.example.com"', _sni, str)
ALPN: Final = matching(r"[\x21-\x7e]{1,255}", "a protocol name", '"h2"')
SERVER_PORT: Final = either(choice("same"), PORT, port_range())
