"""Wire: the texts of FTP that name an address ↔ Address. Sans-I/O.

PORT and 227 (RFC 959 sections 3.2 and 4.1.2, RFC 1123 section 4.1.2.6), EPRT, EPSV and 229
(RFC 2428). What a client writes is read strictly, what a server writes by its digits. Every
reader raises WireError; UnknownFamily is the one that RFC 2428 answers with 522.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Literal

from ..errors import WireError
from ..terms import Address
from .address import ip

Family = Literal[1, 2]
"""An address family by its number in RFC 2428: 1 is IPv4, 2 is IPv6."""

_NUMBER: Final = rb"(0|[1-9][0-9]{0,2})"
_PORT: Final = re.compile(rb",".join([_NUMBER] * 6))
_227: Final = re.compile(
    rb"(?<![0-9])(?<![0-9],)" + rb",".join([rb"([0-9]{1,3})"] * 6) + rb"(?![0-9]|,[0-9])"
)
_229: Final = re.compile(rb"\(([!-/:-~])\1\1([0-9]{1,5})\1\)")
_EXTENDED_PORT: Final = re.compile(rb"[0-9]{1,5}")
_VERSIONS: Final = {b"1": 4, b"2": 6}


class UnknownFamily(WireError):
    """An address family that is not spoken here."""


def family(host: str) -> Family:
    """The family of an IP address; IPv4 in IPv6's clothes is IPv4 (T43)."""
    return 2 if ip(host).version == 6 else 1


def unmapped(host: str) -> str:
    """The address, as IPv4 when it is one in IPv6's clothes; its zone (`%eth0`) is kept."""
    return host if family(host) == 2 else str(ip(host))


def same_host(one: str, other: str) -> bool:
    """Whether two addresses are one host. A zone is a name of one machine only: not compared."""
    return ip(one) == ip(other)


def _from_numbers(numbers: tuple[bytes, ...]) -> Address:
    values = [int(number) for number in numbers]
    if max(values) > 255:
        raise WireError("a number above 255")
    port = values[4] * 256 + values[5]
    if port == 0:
        raise WireError("port 0")
    return Address(".".join(map(str, values[:4])), port)


def parse_port(argument: bytes) -> Address:
    """The argument of PORT: six numbers without leading zeros, and nothing else (T12)."""
    match = _PORT.fullmatch(argument)
    if match is None:
        raise WireError("not six numbers")
    return _from_numbers(match.groups())


def parse_227(line: bytes) -> Address:
    """The first six numbers in a 227 line, with or without parentheses (T11)."""
    match = _227.search(line, 4)
    if match is None:
        raise WireError("no six numbers")
    return _from_numbers(match.groups())


def parse_229(line: bytes) -> int:
    """The port in a 229 line, which names no host (T42)."""
    match = _229.search(line, 4)
    if match is None or not 0 < int(match[2]) < 65536:
        raise WireError("no port")
    return int(match[2])


def parse_eprt(argument: bytes, expected: Family) -> Address:
    """The argument of EPRT with any printable delimiter (T41), on a connection of this family.

    An IPv4 address in IPv6's clothes comes back as IPv4, and is of family 1 whatever it says.
    Raises UnknownFamily for a family that is not the connection's.
    """
    delimiter = argument[:1]
    parts = argument.split(delimiter) if b"!" <= delimiter <= b"~" else []
    if len(parts) != 5 or parts[4] or not parts[1].isdigit():
        raise WireError("not three fields")
    host = _eprt_host(parts[1], parts[2].decode("latin-1"), expected)
    if not _EXTENDED_PORT.fullmatch(parts[3]) or not 0 < int(parts[3]) < 65536:
        raise WireError("not a port")
    return Address(host, int(parts[3]))


def _eprt_host(number: bytes, text: str, expected: Family) -> str:
    """The host, when its text, the family it is said to be of and the connection agree."""
    try:
        agree = ipaddress.ip_address(text).version == _VERSIONS[number]
        if agree and family(text) == expected:
            return unmapped(text)
    except (KeyError, ValueError):
        pass  # no family that we know, or no address: told apart below
    if number != b"%d" % expected:
        raise UnknownFamily("not the connection's")
    raise WireError("not an address of the family it names")


def parse_epsv(argument: bytes, ours: Family) -> Literal["one", "all"]:
    """The argument of EPSV: none or our family (one listener), or ALL (T39, T40)."""
    word = argument.strip().upper()
    if word == b"ALL":
        return "all"
    if word in (b"", b"%d" % ours):
        return "one"
    if word.isdigit():
        raise UnknownFamily("not the connection's")
    raise WireError("neither a number nor ALL")


def format_port(address: Address) -> bytes:
    """The six numbers of PORT and 227, from an IPv4 address."""
    numbers = (*address.host.split("."), str(address.port >> 8), str(address.port & 255))
    return ",".join(numbers).encode()


def format_eprt(address: Address) -> bytes:
    """The argument of EPRT; without the zone, which means nothing on another machine."""
    host = address.host.partition("%")[0]
    return f"|{family(host)}|{host}|{address.port}|".encode()


def format_229(port: int) -> bytes:
    """The text of a 229 reply's parentheses."""
    return b"(|||%d|)" % port
