"""The tunnel's own tokens: which sessions one is good for, and how long. Sans-I/O.

In: a token as text. Out: a Pass, and Tickets of it, one for each session at once. Nothing is
verified: the token is ours, and whoever takes it verifies it.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from typing import Any, Final

import attrs

from .sessionid import session_id

MARGIN: Final = 30.0
"""Seconds before its end from which on a token is not shown any more: clocks differ."""
TOKEN_MOST: Final = 6_144
"""Bytes of a token."""


class Unusable(Exception):
    """A token cannot be used; says why."""


@attrs.frozen
class Ticket:
    """A place in a pass: one session."""

    token: str = attrs.field(repr=False)
    session: str
    number: int


@attrs.define(eq=False)
class Pass:
    """One token."""

    token: str = attrs.field(repr=False)
    sid: str
    parallel: int
    expires: float
    """In seconds since 1970."""
    _used: set[int] = attrs.field(factory=set)

    @property
    def used(self) -> bool:
        """Whether any session runs on it."""
        return bool(self._used)

    def fresh(self, wall: float) -> bool:
        """Whether it may still be shown."""
        return wall < self.expires - MARGIN

    def take(self) -> Ticket | None:
        """A session that is not in use; None: all are."""
        for number in range(self.parallel):
            if number not in self._used:
                self._used.add(number)
                return Ticket(self.token, session_id(self.sid, number), number)
        return None

    def give_back(self, ticket: Ticket) -> None:
        """Its session is over."""
        self._used.discard(ticket.number)


def read_pass(text: str) -> Pass:
    """A compact JWS as a pass. Raises Unusable."""
    token = text.strip()
    if len(token) > TOKEN_MOST or token.count(".") != 2 or not token.isascii():
        raise Unusable("what was given is no token")
    try:
        body = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise Unusable("the token cannot be read") from None
    return _of(token, claims)


def _of(token: str, claims: Any) -> Pass:
    if not isinstance(claims, dict):
        raise Unusable("the token says nothing")
    sid, expires, parallel = claims.get("sid"), claims.get("exp"), claims.get("par", 1)
    if not isinstance(sid, str) or not sid:
        raise Unusable("the token names no session (sid)")
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        raise Unusable("the token names no end (exp)")
    if type(parallel) is not int or parallel < 1:
        raise Unusable("the token's par is no count")
    return Pass(token, sid, parallel, float(expires))
