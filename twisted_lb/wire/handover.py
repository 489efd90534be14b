"""Lines between a process that serves and one that takes over: JSON objects, one a line.

Sans-I/O. docs/how-to/upgrade.md has the whole conversation. A line that one of them does not
understand ends it; `error` says why, and ends it, too.
"""

from __future__ import annotations

import json
from typing import Any, Final

from ..errors import WireError
from ..terms import Address

VERSION: Final = 1
"""Of the conversation; a process that speaks another one does not go on."""

Where = Address | str | tuple[Address | str, str, int]
"""What a listening socket is known by: an address or an endpoint, and perhaps whose and which."""


def line(**says: Any) -> bytes:
    """One line, with its end."""
    return json.dumps(says, separators=(",", ":")).encode() + b"\n"


def said(line: bytes) -> dict[str, Any]:
    """What a line says. Raises WireError."""
    try:
        says = json.loads(line)
    except ValueError:  # of its encoding, too
        raise WireError("a line that is not JSON") from None
    if not isinstance(says, dict):
        raise WireError("a line that is no JSON object")
    return says


def where_told(where: Where) -> dict[str, Any]:
    """Where a socket listens, for a line."""
    if isinstance(where, tuple):
        place, frontend, number = where
        return {**where_told(place), "frontend": frontend, "number": number}
    if isinstance(where, str):
        return {"endpoint": where}
    return {"host": where.host, "port": where.port}


def where_heard(told: Any) -> Where:
    """The same, back. Raises WireError."""
    match told:
        case {"endpoint": str(place)}:
            at: Address | str = place
        case {"host": str(host), "port": int(port)}:
            at = Address(host, port)
        case _:
            raise WireError(f"no place of a listener: {told!r}")
    match told:
        case {"frontend": str(name), "number": int(number)}:
            return at, name, number
    return at
