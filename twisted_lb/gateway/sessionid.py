"""Session ids of the gateway: a token's `sid`, or `sid.n` for those that run beside it. Sans-I/O.

A session id is hashed into the ALPN name that every ClientHello of the session shows: a balancer
that passes TLS through keeps the session together by it, and learns nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

PROTOCOL: Final = "lb-proxy/1"
"""The ALPN name that the proxy selects."""
SESSION: Final = "lb-session/"
"""What ALPN names begin with that show a session."""


def session_id(sid: str, number: int) -> str:
    """The id of one of the sessions of a token; number 0 has the `sid` itself."""
    return f"{sid}.{number}" if number else sid


def belongs(session: str, sid: str, parallel: int) -> bool:
    """Whether a token with this `sid` and so many parallel sessions is for this session."""
    if session == sid:
        return True
    match = re.fullmatch(r"\.([1-9][0-9]{0,3})", session.removeprefix(sid))
    return session.startswith(sid) and match is not None and int(match[1]) < parallel


def alpn(session: str) -> str:
    """The name in the ClientHellos of a session: `lb-session/` and 32 hexadecimal digits."""
    return SESSION + sha256(session.encode()).hexdigest()[:32]


def shows_another(session: str, offered: Iterable[str]) -> bool:
    """Whether one of these ALPN names shows a session that is not this one."""
    own = alpn(session)
    return any(name.startswith(SESSION) and name != own for name in offered)
