"""Sessions that ended a moment ago, so that a channel that was already on its way is known for what
it is: late, and not gone astray. Sans-I/O.

In: sessions that end, with their secrets; what a channel shows. Out: whether it was one of theirs.
"""

from __future__ import annotations

import hmac
from typing import Final

import attrs

KEPT: Final = 60.0
"""Seconds: more than a client tries, and a balancer waits."""
MOST: Final = 10_000
"""Sessions; whoever ended longest ago is forgotten first."""


@attrs.frozen
class _One:
    secret: str
    until: float


class Past:
    """The sessions that ended within the last minute."""

    def __init__(self) -> None:
        self._all: dict[str, _One] = {}
        """By id, the latest last."""

    def __len__(self) -> int:
        return len(self._all)

    def ended(self, session: str, secret: str, now: float) -> None:
        """This one is over."""
        self._all.pop(session, None)
        self._all[session] = _One(secret, now + KEPT)
        while len(self._all) > MOST or next(iter(self._all.values())).until <= now:
            del self._all[next(iter(self._all))]

    def had(self, session: str, secret: str, now: float) -> bool:
        """Whether a channel that shows this belonged to one of them."""
        one = self._all.get(session)
        return one is not None and now < one.until and hmac.compare_digest(one.secret, secret)
