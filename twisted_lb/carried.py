"""What a client carries: a value that a pattern finds in its ALPN names, its server name or its
first bytes. Sans-I/O.

In: the group's patterns and what was shown so far. Out: a session and perhaps a role, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from .config.patterns import compiled
from .config.settings import Patterns
from .errors import WireError
from .terms import MORE, More


@attrs.frozen
class Carried:
    """What a pattern found."""

    session: str
    role: str = ""


@attrs.frozen
class Said:
    """What a client has said inside; `final`: nothing more of it will be looked at."""

    data: bytes | bytearray = b""
    final: bool = False


SESSION_MOST: Final = 255
"""Bytes of a session; what is longer is not one."""

NOTHING: Final = Said(final=True)


def in_alpn(patterns: Patterns, offered: Iterable[bytes]) -> Carried | None:
    """In the first of these protocol names that fits as a whole."""
    whole = compiled(patterns.alpn)
    return next(filter(None, (_found(whole.fullmatch(name)) for name in offered)), None)


def in_name(patterns: Patterns, name: str | None) -> Carried | None:
    """In the server name, as a whole, in any case: names have none."""
    if name is None:
        return None
    return _found(compiled(patterns.sni, case_matters=False).fullmatch(name.encode("latin-1")))


def in_opening(patterns: Patterns, said: Said) -> Carried | More | None:
    """In the first line, or the first bytes, which may not all be there yet.

    Raises WireError for a line whose end is not there: its part may name another session, and
    whoever has begun one is no client that has only a weaker key to show.
    """
    data, most = said.data, patterns.opening_bytes
    lines = patterns.opening_ends == "line"
    end = data.find(b"\n", 0, most) + 1 if lines else 0
    if not end and len(data) < most:
        if not said.final:
            return MORE
        if lines and data:
            raise WireError(f"an opening line without its end in {len(data)} bytes")
    found = _found(compiled(patterns.opening).match(bytes(data[: end or most])))
    if found is not None and lines and not end:
        raise WireError(f"an opening line longer than {most} bytes")
    return found


def _found(match: Any) -> Carried | None:
    """A session that is empty is none: everybody without one would share it."""
    if match is None:
        return None
    found = {name: part or b"" for name, part in match.groupdict().items()}
    session, role = found[b"session"], found.get(b"role", b"")
    if not 0 < len(session) <= SESSION_MOST:
        return None
    return Carried(session.decode("latin-1"), role.decode("latin-1"))
