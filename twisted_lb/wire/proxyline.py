"""Wire: the line of PROXY protocol version 1: bytes → two addresses. Sans-I/O.

Strict, and early: every finished word is judged when it is finished, a byte that can be part of
none at once. `proxyheader` is the face of both versions.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from ..errors import WireError
from ..terms import MORE, Address, More
from .address import unmapped

MAX: Final = 107
"""The longest line that the specification allows, CR LF included."""

_UNKNOWN: Final = b"PROXY UNKNOWN"
_STARTS: Final = {b"PROXY TCP4 ": 4, b"PROXY TCP6 ": 6, _UNKNOWN: 0}
"""How a line may start → the version of its addresses."""
_ALPHABET: Final = b" .0123456789:ABCDEFabcdef"
_PORT: Final = re.compile(rb"0|[1-9][0-9]{0,4}")

Ends = tuple[Address, Address] | tuple[()]
"""Source and destination; nothing for UNKNOWN."""


def parse_line(data: bytes) -> More | tuple[Ends, int]:
    """Read the line at the start of `data`; also says how long it is, CR LF included.

    Raises WireError when no line can come of these bytes.
    """
    line, cr, after = data[:MAX].partition(b"\r")
    if len(line) > MAX - 2:
        raise WireError(f"PROXY v1: no line end within {MAX} bytes")
    if after and after[:1] != b"\n":
        raise WireError("PROXY v1: CR without LF")
    ends = _read(line, whole=bool(cr))
    return MORE if ends is None or not after else (ends, len(line) + 2)


def _read(line: bytes, *, whole: bool) -> Ends | None:
    """Judge a line without its CR LF; None when it is not whole and nothing is wrong so far."""
    start = next((s for s in _STARTS if line.startswith(s) or s.startswith(line)), None)
    rest = line[len(start or b"") :]
    if start is None or (whole and len(line) < len(start)):
        raise WireError("PROXY v1: not a PROXY line")
    if len(line) < len(start):
        return None
    if start != _UNKNOWN:
        return _read_ends(rest, _STARTS[start], whole)
    # What follows UNKNOWN is skipped, as the specification asks.
    if rest[:1] not in (b"", b" "):
        raise WireError("PROXY v1: not a PROXY line")
    return () if whole else None


def _read_ends(text: bytes, version: int, whole: bool) -> Ends | None:
    if text.translate(None, _ALPHABET):
        raise WireError("PROXY v1: a byte that no address or port has")
    words = text.split(b" ")
    if len(words) > 4 or (whole and len(words) < 4):
        raise WireError("PROXY v1: not two addresses and two ports")
    finished = words if whole else words[:-1]
    hosts = [_host(word, version) for word in finished[:2]]
    ports = [_port(word) for word in finished[2:]]
    return (Address(hosts[0], ports[0]), Address(hosts[1], ports[1])) if whole else None


def _host(word: bytes, version: int) -> str:
    read = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    try:
        return str(unmapped(read(word.decode("ascii"))))
    except ValueError as error:
        raise WireError(f"PROXY v1: {error}") from error


def _port(word: bytes) -> int:
    if not _PORT.fullmatch(word) or int(word) > 65535:
        raise WireError("PROXY v1: not a port number")
    return int(word)
